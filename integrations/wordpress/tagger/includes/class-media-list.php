<?php
/**
 * The media library as a list: a column, a filter, a bulk action and a notice of what still waits.
 *
 * @package tagger
 */

namespace Tagger;

final class Media_List {
	const FILTER = 'tagger_filter';
	const BULK   = 'tagger_describe';

	public static function boot(): void {
		add_filter( 'manage_media_columns', array( self::class, 'columns' ) );
		add_action( 'manage_media_custom_column', array( self::class, 'column' ), 10, 2 );
		add_action( 'restrict_manage_posts', array( self::class, 'filter' ) );
		add_filter( 'posts_clauses', array( self::class, 'clauses' ), 10, 2 );
		add_filter( 'bulk_actions-upload', array( self::class, 'bulk_actions' ) );
		add_filter( 'handle_bulk_actions-upload', array( self::class, 'bulk' ), 10, 3 );
		add_action( 'admin_notices', array( self::class, 'notice' ) );
	}

	public static function columns( array $columns ): array {
		$columns['tagger'] = __( 'Alt text', 'tagger' );
		return $columns;
	}

	public static function column( string $name, int $id ): void {
		if ( 'tagger' !== $name || ! Asset::is_picture( $id ) ) {
			return;
		}
		$alt = (string) Texts::now( $id, 'alt_text' );
		echo esc_html( '' === $alt ? '—' : wp_html_excerpt( $alt, 80, '…' ) );
		$label = Review::state( Store::asset( $id )->state );
		if ( '' !== $label ) {
			echo '<br><small class="tagger-state">' . esc_html( $label ) . '</small>';
		}
	}

	public static function filter( string $type ): void {
		if ( 'attachment' !== $type ) {
			return;
		}
		$chosen  = self::chosen();
		$options = array(
			''       => __( 'All alt texts', 'tagger' ),
			'tagger' => __( 'By tagger', 'tagger' ),
			'review' => __( 'Needs review', 'tagger' ),
			'none'   => __( 'No alt text', 'tagger' ),
			'failed' => __( 'Failed', 'tagger' ),
		);
		echo '<label class="screen-reader-text" for="' . esc_attr( self::FILTER ) . '">' . esc_html__( 'Filter by alt text', 'tagger' ) . '</label>';
		echo '<select name="' . esc_attr( self::FILTER ) . '" id="' . esc_attr( self::FILTER ) . '">';
		foreach ( $options as $value => $label ) {
			echo '<option value="' . esc_attr( $value ) . '"' . selected( $chosen, $value, false ) . '>' . esc_html( $label ) . '</option>';
		}
		echo '</select>';
	}

	public static function clauses( array $clauses, \WP_Query $query ): array {
		global $wpdb;
		$chosen = self::chosen();
		if ( '' === $chosen || ! is_admin() || ! $query->is_main_query() || 'attachment' !== $query->get( 'post_type' ) ) {
			return $clauses;
		}
		$assets = Schema::table( 'assets' );
		$fields = Schema::table( 'fields' );
		$meta   = "SELECT 1 FROM $wpdb->postmeta AS m WHERE m.post_id = $wpdb->posts.ID AND m.meta_key = '" . Texts::ALT . "' AND m.meta_value <> ''";
		$wanted = array(
			'tagger' => "EXISTS (SELECT 1 FROM $fields AS f WHERE f.attachment = $wpdb->posts.ID AND f.field = 'alt_text' AND f.writer = 'tagger')",
			'review' => "EXISTS (SELECT 1 FROM $assets AS a WHERE a.attachment = $wpdb->posts.ID AND a.state = 'review')",
			'failed' => "EXISTS (SELECT 1 FROM $assets AS a WHERE a.attachment = $wpdb->posts.ID AND a.state = 'failed')",
			'none'   => "$wpdb->posts.post_mime_type LIKE 'image/%' AND NOT EXISTS ($meta)",
		);
		if ( isset( $wanted[ $chosen ] ) ) {
			$clauses['where'] .= ' AND (' . $wanted[ $chosen ] . ')';
		}
		return $clauses;
	}

	private static function chosen(): string {
		// phpcs:ignore WordPress.Security.NonceVerification.Recommended -- reads a filter of a list.
		return isset( $_GET[ self::FILTER ] ) ? sanitize_key( $_GET[ self::FILTER ] ) : '';
	}

	public static function bulk_actions( array $actions ): array {
		return Settings::ready() ? $actions + array( self::BULK => __( 'Describe with tagger', 'tagger' ) ) : $actions;
	}

	/** WordPress has checked the nonce of the list. */
	public static function bulk( string $url, string $action, array $ids ): string {
		if ( self::BULK !== $action ) {
			return $url;
		}
		$sent = 0;
		foreach ( array_map( 'intval', $ids ) as $id ) {
			if ( Asset::is_picture( $id ) && current_user_can( 'edit_post', $id ) ) {
				Outbox::picture( $id, 'asset.updated', true );
				++$sent;
			}
		}
		return add_query_arg( 'tagger_sent', $sent, $url );
	}

	public static function notice(): void {
		global $wpdb;
		$screen = get_current_screen();
		if ( ! $screen || 'upload' !== $screen->id ) {
			return;
		}
		$waiting = (int) $wpdb->get_var( 'SELECT count(*) FROM ' . Schema::table( 'assets' ) . " WHERE state = 'waiting'" );
		// phpcs:ignore WordPress.Security.NonceVerification.Recommended -- shows a number.
		$sent = isset( $_GET['tagger_sent'] ) ? (int) $_GET['tagger_sent'] : 0;
		$text = array();
		if ( $sent ) {
			/* translators: %d: number of pictures */
			$text[] = sprintf( _n( '%d picture goes to tagger.', '%d pictures go to tagger.', $sent, 'tagger' ), $sent );
		}
		if ( $waiting ) {
			/* translators: %d: number of pictures */
			$text[] = sprintf( _n( '%d picture waits for its text.', '%d pictures wait for their texts.', $waiting, 'tagger' ), $waiting );
		}
		if ( $text ) {
			echo '<div class="notice notice-info is-dismissible"><p>' . esc_html( implode( ' ', $text ) ) . '</p></div>';
		}
	}
}
