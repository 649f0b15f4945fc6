<?php
/**
 * Plugin Name:       tagger
 * Description:       Alt text, captions and tags for the pictures of the media library, written by your own tagger. A person's words are never replaced.
 * Version:           0.2.0
 * Requires at least: 6.1
 * Requires PHP:      7.4
 * License:           Apache-2.0
 * Text Domain:       tagger
 * Domain Path:       /languages
 *
 * @package tagger
 */

namespace Tagger;

defined( 'ABSPATH' ) || exit;

const VERSION = '0.2.0';
const FILE    = __FILE__;

foreach ( array( 'class-signature', 'class-words', 'class-settings', 'class-schema', 'class-database-error', 'class-database', 'class-lock', 'class-store', 'class-texts', 'class-tags', 'class-receiver', 'class-revert', 'class-library', 'class-sender', 'class-outbox', 'class-asset', 'class-watch', 'class-connection', 'class-render', 'class-review' ) as $tagger_file ) {
	require __DIR__ . '/includes/' . $tagger_file . '.php';
}

Schema::boot();
Tags::boot();
Receiver::boot();
Outbox::boot();
Watch::boot();
Render::boot();
Connection::boot();
if ( is_admin() ) {
	foreach ( array( 'class-settings-page', 'class-media-list', 'class-form', 'class-box' ) as $tagger_file ) {
		require __DIR__ . '/includes/' . $tagger_file . '.php';
	}
	Settings_Page::boot();
	Media_List::boot();
	Form::boot();
	Box::boot();
}
if ( defined( 'WP_CLI' ) && \WP_CLI ) {
	require __DIR__ . '/includes/class-cli.php';
	\WP_CLI::add_command( 'tagger', Cli::class );
}
add_action(
	'init',
	static function () {
		load_plugin_textdomain( 'tagger', false, dirname( plugin_basename( FILE ) ) . '/languages' );
	},
	1
);
