<?php

declare(strict_types=1);

namespace Bandog;

use JsonException;

final class Request
{
    /**
     * @param string $path  as it was sent, still percent-encoded
     * @param string $query  the same; parse_str() takes it apart
     * @param array<string, list<string>> $headers  all values of each, by its name in lower case
     */
    public function __construct(
        public readonly string $method,
        public readonly string $path,
        public readonly string $query,
        public readonly array $headers,
        public readonly string $body,
    ) {
    }

    /** The first value of a header, its name in any case. */
    public function header(string $name): ?string
    {
        return $this->headers[strtolower($name)][0] ?? null;
    }

    /** The body, with objects as arrays. */
    public function json(): mixed
    {
        try {
            return json_decode($this->body, true, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException) {
            throw new InvalidJson();
        }
    }
}
