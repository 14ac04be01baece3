<?php
// A page for php-cgi. The environment names it (SCRIPT_FILENAME), PATH_INFO says what it does.

$what = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('Content-Type: text/plain; charset=utf-8');
switch ($what) {
    case '/form':
        $files = array_map(fn($f) => [$f['name'], $f['type'], $f['error'], hash_file('sha256', $f['tmp_name'])], $_FILES);
        echo json_encode(['get' => $_GET, 'post' => $_POST, 'cookie' => $_COOKIE, 'files' => $files]);
        break;
    case '/input':
        echo hash('sha256', file_get_contents('php://input'));
        break;
    case '/server':
        foreach (['REQUEST_URI', 'QUERY_STRING', 'SERVER_NAME', 'SERVER_PROTOCOL', 'GATEWAY_INTERFACE', 'REMOTE_ADDR',
            'HTTP_X_THING', 'PHP_AUTH_USER', 'argc'] as $name) {
            echo "$name=", $_SERVER[$name] ?? '(none)', "\n";
        }
        break;
    case '/session':
        session_save_path(getenv('SESSIONS'));
        session_start();
        $_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
        echo 'visit ', $_SESSION['visits'];
        break;
    case '/redirect':
        header('Location: /elsewhere?x=1');
        setcookie('seen', 'yes');
        break;
    case '/gone':
        http_response_code(410);
        echo 'gone';
        break;
    case '/large':
        for ($i = 0; $i < 300; $i++) {
            echo str_repeat(chr(97 + $i % 26), 10000);
        }
        break;
    case '/fatal':
        ini_set('display_errors', '0');
        error_log('before it');
        throw new Exception('as asked');
    default:
        header('HTTP/1.1 404 Not Here');
        echo 'nothing';
}
