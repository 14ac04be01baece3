<?php

declare(strict_types=1);

namespace App;

class Handler
{
    public function handle(string $data): string
    {
        return "Hello, $data!\n";
    }
}
