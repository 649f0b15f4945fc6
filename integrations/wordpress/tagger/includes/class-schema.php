<?php
/**
 * The plugin's own tables. They hold who wrote what, and what waits to be sent; the words themselves stay where WordPress has them.
 *
 * @package tagger
 */

namespace Tagger;

final class Schema {
	const VERSION = '2';
	const OPTION  = 'tagger_schema';
	const TABLES  = array( 'assets', 'fields', 'tags', 'outbox' );

	/** Also on a site of a network where the plugin was never activated by hand. */
	public static function boot(): void {
		if ( get_option( self::OPTION ) !== self::VERSION ) {
			self::install();
		}
		register_deactivation_hook( FILE, array( self::class, 'deactivate' ) );
		add_filter( 'wpmu_drop_tables', array( self::class, 'of_deleted_site' ), 10, 2 );
	}

	public static function table( string $name ): string {
		global $wpdb;
		return $wpdb->prefix . 'tagger_' . $name;
	}

	public static function install(): void {
		global $wpdb;
		require_once ABSPATH . 'wp-admin/includes/upgrade.php';
		$charset = $wpdb->get_charset_collate();
		$assets  = self::table( 'assets' );
		$fields  = self::table( 'fields' );
		$tags    = self::table( 'tags' );
		$outbox  = self::table( 'outbox' );
		dbDelta(
			"CREATE TABLE $assets (
			attachment bigint(20) unsigned NOT NULL,
			sequence bigint(20) NOT NULL DEFAULT 0,
			delivery varchar(255) NOT NULL DEFAULT '',
			state varchar(20) NOT NULL DEFAULT '',
			told longtext NULL,
			revision varchar(64) NOT NULL DEFAULT '',
			locked tinyint(1) NOT NULL DEFAULT 0,
			changed_at datetime NOT NULL DEFAULT '1970-01-01 00:00:00',
			PRIMARY KEY  (attachment),
			KEY state (state)
			) $charset;
			CREATE TABLE $fields (
			attachment bigint(20) unsigned NOT NULL,
			field varchar(16) NOT NULL,
			writer varchar(8) NOT NULL DEFAULT '',
			hash varchar(80) NOT NULL DEFAULT '',
			delivery varchar(255) NOT NULL DEFAULT '',
			previous longtext NULL,
			PRIMARY KEY  (attachment,field),
			KEY writer (writer)
			) $charset;
			CREATE TABLE $tags (
			attachment bigint(20) unsigned NOT NULL,
			term varchar(160) NOT NULL,
			label varchar(200) NOT NULL DEFAULT '',
			tt bigint(20) unsigned NOT NULL DEFAULT 0,
			state varchar(8) NOT NULL DEFAULT '',
			PRIMARY KEY  (attachment,term)
			) $charset;
			CREATE TABLE $outbox (
			id bigint(20) unsigned NOT NULL AUTO_INCREMENT,
			event varchar(64) NOT NULL,
			kind varchar(20) NOT NULL,
			attachment bigint(20) unsigned NOT NULL DEFAULT 0,
			body longtext NOT NULL,
			attempts int NOT NULL DEFAULT 0,
			due_at bigint(20) NOT NULL DEFAULT 0,
			error text NULL,
			PRIMARY KEY  (id),
			KEY due_at (due_at),
			KEY attachment (attachment)
			) $charset;"
		);
		update_option( self::OPTION, self::VERSION, true );
	}

	public static function deactivate(): void {
		wp_clear_scheduled_hook( Outbox::CRON );
	}

	/** A site of a network is deleted: its tables go with it. */
	public static function of_deleted_site( array $tables, int $site ): array {
		global $wpdb;
		foreach ( self::TABLES as $name ) {
			$tables[] = $wpdb->get_blog_prefix( $site ) . 'tagger_' . $name;
		}
		return $tables;
	}
}
