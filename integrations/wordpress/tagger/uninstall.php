<?php
/**
 * Removes the plugin's own tables and settings, on every site of a network. The texts and the tags of the pictures stay.
 *
 * @package tagger
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

/** Of the current site. */
function tagger_remove_own_rows() {
	global $wpdb;
	foreach ( array( 'assets', 'fields', 'tags', 'outbox' ) as $table ) {
		$wpdb->query( "DROP TABLE IF EXISTS {$wpdb->prefix}tagger_$table" ); // phpcs:ignore WordPress.DB -- our own tables.
	}
	foreach ( array( 'tagger_settings', 'tagger_schema', 'tagger_test' ) as $option ) {
		delete_option( $option );
	}
	wp_clear_scheduled_hook( 'tagger_outbox' );
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $tagger_site ) {
		switch_to_blog( $tagger_site );
		tagger_remove_own_rows();
		restore_current_blog();
	}
} else {
	tagger_remove_own_rows();
}
