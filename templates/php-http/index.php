<?php

// The function's process: an HTTP server for function/src/Handler.php, behind the watchdog.

declare(strict_types=1);

use Bandog\Server;

// Errors and warnings go to stderr, which is the log.
ini_set('display_errors', '0');
ini_set('log_errors', '1');

require __DIR__ . '/autoload.php';

// Loaded before processes fork, once for all of them.
foreach (glob(__DIR__ . '/server/*.php') as $file) {
    require_once $file;
}

if (!class_exists(App\Handler::class)) {
    fwrite(STDERR, "function/src/Handler.php does not define the class App\\Handler\n");
    exit(1);
}

try {
    $listener = Server::listen((string) getenv('upstream_url'));
} catch (RuntimeException $e) {
    fwrite(STDERR, $e->getMessage() . "\n");
    exit(1);
}

exit((new Server($listener, App\Handler::class))->run());
