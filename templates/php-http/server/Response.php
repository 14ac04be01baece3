<?php

declare(strict_types=1);

namespace Bandog;

use InvalidArgumentException;
use JsonSerializable;
use stdClass;
use TypeError;

/** An answer with status and headers. A handler that needs neither returns the body alone. */
final class Response
{
    private const REASONS = [
        200 => 'OK', 201 => 'Created', 202 => 'Accepted', 204 => 'No Content', 206 => 'Partial Content',
        301 => 'Moved Permanently', 302 => 'Found', 303 => 'See Other', 304 => 'Not Modified',
        307 => 'Temporary Redirect', 308 => 'Permanent Redirect',
        400 => 'Bad Request', 401 => 'Unauthorized', 403 => 'Forbidden', 404 => 'Not Found',
        405 => 'Method Not Allowed', 409 => 'Conflict', 410 => 'Gone', 413 => 'Content Too Large',
        415 => 'Unsupported Media Type', 422 => 'Unprocessable Content', 429 => 'Too Many Requests',
        500 => 'Internal Server Error', 501 => 'Not Implemented', 502 => 'Bad Gateway', 503 => 'Service Unavailable',
    ];
    private const FRAMING = ['connection', 'content-length', 'transfer-encoding']; // the server's business
    private const JSON = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    private readonly string $content;

    /** @var list<string> */
    private array $fields = [];

    /**
     * @param mixed $body  bytes, or what becomes JSON: an array, an stdClass, a JsonSerializable
     * @param array<string, string|int|list<string|int>> $headers
     */
    public function __construct(mixed $body = '', private readonly int $status = 200, array $headers = [])
    {
        if ($status < 200 || $status > 599) {
            throw new InvalidArgumentException("not an HTTP status: $status");
        }
        foreach ($headers as $name => $values) {
            $this->addFields((string) $name, (array) $values);
        }
        $this->content = $this->encode($body);
    }

    /** What a handler has returned. */
    public static function from(mixed $value): self
    {
        return $value instanceof self ? $value : new self($value);
    }

    public static function text(int $status, string $line): self
    {
        return new self("$line\n", $status, ['Content-Type' => 'text/plain']);
    }

    /** Head and body as they are sent. */
    public function bytes(bool $headOnly): string
    {
        $lines = ["HTTP/1.1 $this->status " . (self::REASONS[$this->status] ?? ''), ...$this->fields];
        $bodiless = in_array($this->status, [204, 304], true);
        if (!$bodiless) {
            $lines[] = 'Content-Length: ' . strlen($this->content);
        }
        return implode("\r\n", $lines) . "\r\n\r\n" . ($bodiless || $headOnly ? '' : $this->content);
    }

    /** @param list<string|int> $values */
    private function addFields(string $name, array $values): void
    {
        if (!preg_match('/^[!#$%&\'*+\-.^_`|~0-9A-Za-z]+$/D', $name)) {
            throw new InvalidArgumentException('not the name of a header: ' . json_encode($name));
        }
        if (in_array(strtolower($name), self::FRAMING, true)) {
            return;
        }
        foreach ($values as $value) {
            if (preg_match('/[\0\r\n]/', (string) $value)) {
                throw new InvalidArgumentException('not the value of a header: ' . json_encode($value));
            }
            $this->fields[] = "$name: $value";
        }
    }

    private function encode(mixed $body): string
    {
        if ($body === null || is_string($body)) {
            return (string) $body;
        }
        if (!is_array($body) && !$body instanceof stdClass && !$body instanceof JsonSerializable) {
            throw new TypeError('a handler cannot return ' . get_debug_type($body));
        }
        if (!preg_grep('/^content-type:/i', $this->fields)) {
            $this->fields[] = 'Content-Type: application/json';
        }
        return json_encode($body, self::JSON);
    }
}
