<?php

declare(strict_types=1);

namespace Bandog;

use Exception;

/** Answered with 400 when the handler does not catch it. */
final class InvalidJson extends Exception
{
    public function __construct()
    {
        parent::__construct("The request's body is not valid JSON.");
    }
}
