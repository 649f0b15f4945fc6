<?php
// For `php -S`: files as they are, folders by their index.php, everything else by WordPress.
$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
$root = $_SERVER['DOCUMENT_ROOT'];
if ($path !== '/' && is_file($root . $path)) {
    return false;
}
$folder = rtrim($root . $path, '/');
if ($path !== '/' && is_file($folder . '/index.php')) {
    chdir($folder);
    require $folder . '/index.php';
    return;
}
$_SERVER['SCRIPT_NAME'] = '/index.php';
require $root . '/index.php';
