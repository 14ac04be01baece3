<?php

declare(strict_types=1);

use App\Handler;

require_once __DIR__ . '/../src/Handler.php';

$answer = (new Handler())->handle('you');
if ($answer !== "Hello, you!\n") {
    throw new Exception("the wrong greeting: $answer");
}
