<?php

declare(strict_types=1);

namespace Bandog;

use Throwable;

/** One connection from the watchdog: request after request, each answered by the handler. */
final class Connection
{
    private const MAX_LINE = 1 << 20;

    private ?object $handler = null;

    /** The one that the handler works on. */
    private ?Request $request = null;

    /**
     * @param resource $socket
     * @param class-string $class
     */
    public function __construct(private $socket, private readonly string $class)
    {
        stream_set_timeout($socket, -1); // the watchdog owns all time limits
        stream_set_chunk_size($socket, 65536);
        register_shutdown_function($this->answerAfterAll(...));
    }

    /** @param callable(): bool $requestComes waits for a request; false: there will be none */
    public function serve(callable $requestComes): void
    {
        try {
            while ($requestComes() && ($this->request = $this->readRequest())) {
                $this->send($this->answer($this->request));
            }
        } catch (ConnectionLost) {
            // The client has gone, and the watchdog with it: there is nobody to answer.
        }
        $this->request = null;
    }

    private function answer(Request $request): Response
    {
        try {
            $this->handler ??= new $this->class();
            return Response::from($this->handler->handle($request->body, $request));
        } catch (InvalidJson $e) {
            return Response::text(400, $e->getMessage());
        } catch (Throwable $e) {
            fwrite(STDERR, "PHP Fatal error:  Uncaught $e\n");
            return self::failure();
        }
    }

    /** Called when PHP ends, perhaps by a fatal error or `exit` in a handler. */
    private function answerAfterAll(): void
    {
        if ($this->request) {
            ini_set('memory_limit', '-1'); // it may be what the handler ran into
            $this->send(self::failure());
        }
    }

    private static function failure(): Response
    {
        return Response::text(500, 'Internal Server Error');
    }

    private function send(Response $response): void
    {
        $bytes = $response->bytes(headOnly: $this->request->method === 'HEAD');
        $this->request = null;
        $this->write($bytes);
    }

    private function write(string $bytes): void
    {
        while ($bytes !== '') {
            $sent = @fwrite($this->socket, $bytes);
            if (!$sent) {
                throw new ConnectionLost();
            }
            $bytes = substr($bytes, $sent);
        }
    }

    /** Null at the end of the connection. */
    private function readRequest(): ?Request
    {
        $line = fgets($this->socket, self::MAX_LINE);
        if ($line === false) {
            return null;
        }
        [$method, $target] = explode(' ', $line);
        [$path, $query] = [...explode('?', $target, 2), ''];
        $headers = $this->readFields();
        return new Request($method, $path, $query, $headers, $this->readBody($headers));
    }

    /** @return array<string, list<string>> */
    private function readFields(): array
    {
        $fields = [];
        while (($line = $this->readLine()) !== '') {
            [$name, $value] = explode(':', $line, 2);
            $fields[strtolower($name)][] = trim($value);
        }
        return $fields;
    }

    /** @param array<string, list<string>> $headers */
    private function readBody(array $headers): string
    {
        if (strcasecmp($headers['expect'][0] ?? '', '100-continue') === 0) {
            $this->write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        if (!isset($headers['transfer-encoding'])) {
            return $this->readExactly((int) ($headers['content-length'][0] ?? 0));
        }

        $body = '';
        while ($size = hexdec(strtok($this->readLine(), '; '))) {
            $body .= $this->readExactly($size);
            $this->readLine();
        }
        $this->readFields(); // trailers
        return $body;
    }

    private function readLine(): string
    {
        $line = fgets($this->socket, self::MAX_LINE);
        if ($line === false || !str_ends_with($line, "\r\n")) {
            throw new ConnectionLost();
        }
        return substr($line, 0, -2);
    }

    private function readExactly(int $size): string
    {
        $data = stream_get_contents($this->socket, $size);
        if (strlen((string) $data) !== $size) {
            throw new ConnectionLost();
        }
        return $data;
    }
}
