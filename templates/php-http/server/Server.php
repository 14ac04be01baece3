<?php

declare(strict_types=1);

namespace Bandog;

use RuntimeException;

/**
 * Three kinds of processes. The first waits for SIGTERM or SIGINT. Its child accepts connections. Each connection
 * has a process of its own, so that a slow request delays no other, and a fatal error ends nothing else.
 *
 * PHP cannot wait for a signal and for a socket at once, hence the first two. How they tell the others to stop: all
 * hold one end of a pair of sockets, on which nothing is ever sent. When the first closes its end all see that.
 */
final class Server
{
    private const SIGNALS = [SIGTERM, SIGINT, SIGCHLD];
    private const BACKLOG = 1024;

    /**
     * The listening socket that upstream_url names: the same setting tells the watchdog where to connect.
     *
     * @return resource
     */
    public static function listen(string $url)
    {
        if (preg_match('~^http\+unix://(/.+)$~D', $url, $match)) {
            $address = "unix://$match[1]";
            if (@filetype($match[1]) === 'socket') {
                unlink($match[1]); // left by a run that was killed
            }
        } elseif (preg_match('~^http://((?:[^/:]+|\[[0-9a-fA-F:.]+\]):\d{1,5})(?:/.*)?$~D', $url, $match)) {
            $address = "tcp://$match[1]";
        } else {
            throw new RuntimeException(
                "upstream_url must be http+unix:///PATH or http://HOST:PORT, not \"$url\""
            );
        }

        $context = stream_context_create(['socket' => ['backlog' => self::BACKLOG]]);
        $flags = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN;
        $listener = @stream_socket_server($address, $code, $message, $flags, $context);
        if ($listener === false) {
            throw new RuntimeException("cannot listen at $url: " . ($message ?: 'PHP does not say why'));
        }
        return $listener;
    }

    /**
     * @param resource $listener
     * @param class-string $handler
     */
    public function __construct(private $listener, private readonly string $handler)
    {
    }

    /** Serves until it is told to stop and the requests under way are answered. Returns the exit status. */
    public function run(): int
    {
        pcntl_sigprocmask(SIG_BLOCK, self::SIGNALS);
        [$running, $stopped] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);

        $acceptor = pcntl_fork();
        if ($acceptor === 0) {
            fclose($running);
            $this->accept($stopped);
            exit(0);
        }

        while (@pcntl_sigwaitinfo(self::SIGNALS) === false) {
            // interrupted by some other signal
        }
        $name = stream_socket_get_name($this->listener, false);
        if (str_starts_with($name, '/')) {
            unlink($name);
        }
        fclose($this->listener);
        fclose($running);
        pcntl_waitpid($acceptor, $status);
        return pcntl_wifexited($status) ? pcntl_wexitstatus($status) : 1;
    }

    /** @param resource $stopped */
    private function accept($stopped): void
    {
        pcntl_signal(SIGCHLD, SIG_IGN); // leave no zombies

        while (in_array($this->listener, self::wait([$this->listener, $stopped]), true)) {
            $socket = @stream_socket_accept($this->listener, 0);
            if ($socket === false) {
                continue; // the client was gone before
            }
            if (pcntl_fork() === 0) {
                fclose($this->listener);
                $this->serve($socket, $stopped);
                exit(0);
            }
            fclose($socket);
        }

        fclose($this->listener);
        pcntl_wait($status); // with SIGCHLD ignored: until all have ended
    }

    /**
     * @param resource $socket
     * @param resource $stopped
     */
    private function serve($socket, $stopped): void
    {
        // The watchdog signals the whole group. Caught, unlike ignored, is not inherited by programs that a handler runs.
        pcntl_signal(SIGTERM, static fn () => null);
        pcntl_signal(SIGINT, static fn () => null);
        pcntl_signal(SIGCHLD, SIG_DFL);
        pcntl_sigprocmask(SIG_UNBLOCK, self::SIGNALS);

        (new Connection($socket, $this->handler))->serve(
            static fn () => in_array($socket, self::wait([$socket, $stopped]), true)
        );
    }

    /**
     * Those of the streams that have something to be read, or have ended.
     *
     * @param list<resource> $streams
     * @return list<resource>
     */
    private static function wait(array $streams): array
    {
        do {
            [$ready, $none] = [$streams, null];
        } while (@stream_select($ready, $none, $none, null) === false); // interrupted by a signal
        return $ready;
    }
}
