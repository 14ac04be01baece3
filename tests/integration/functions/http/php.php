<?php
// A function in PHP's built-in server: php -d enable_post_data_reading=0 -S 127.0.0.1:PORT php.php

[, $name, $value] = explode('/', parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), 3) + [1 => '', 2 => ''];
header('Content-Type: text/plain');
switch ($name) {
    case 'hello':
        echo 'hello';
        break;
    case 'echo': // no length: the end of the connection is the end of the body
        header('Content-Type: application/octet-stream');
        readfile('php://input');
        break;
    case 'bytes':
        $pattern = str_repeat(implode('', array_map('chr', range(0, 250))), 256);
        for ($left = (int)$value; $left > 0; $left -= strlen($pattern)) {
            echo $left < strlen($pattern) ? substr($pattern, 0, $left) : $pattern;
        }
        break;
    case 'status':
        http_response_code((int)$value);
        echo $value;
        break;
    case 'link':
        echo $_SERVER['REMOTE_PORT'];
        break;
    case 'crash':
        ini_set('display_errors', '0');
        throw new Exception('as asked');
    default:
        http_response_code(404);
        echo 'nothing here';
}
