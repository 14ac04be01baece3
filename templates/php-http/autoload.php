<?php

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    foreach (['App\\' => '/function/src/', 'Bandog\\' => '/server/'] as $prefix => $folder) {
        $file = __DIR__ . $folder . strtr(substr($class, strlen($prefix)), '\\', '/') . '.php';
        if (str_starts_with($class, $prefix) && is_file($file)) {
            require $file;
        }
    }
});

if (is_file(__DIR__ . '/function/vendor/autoload.php')) {
    require __DIR__ . '/function/vendor/autoload.php';
}
