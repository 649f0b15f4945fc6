<?php
/**
 * Who wrote what, and what tagger told of each picture: the plugin's own rows.
 *
 * @package tagger
 */

namespace Tagger;

final class Store {
	/** The row of an attachment, or its defaults. */
	public static function asset( int $id ): object {
		global $wpdb;
		$row = Database::row( $wpdb->prepare( 'SELECT * FROM ' . Schema::table( 'assets' ) . ' WHERE attachment = %d', $id ) );
		return $row ? $row : (object) array(
			'attachment' => $id,
			'sequence'   => 0,
			'delivery'   => '',
			'state'      => '',
			'told'       => null,
			'revision'   => '',
			'locked'     => 0,
		);
	}

	public static function change( int $id, array $values ): void {
		global $wpdb;
		$values['changed_at'] = gmdate( 'Y-m-d H:i:s' );
		Database::execute( $wpdb->prepare( 'INSERT IGNORE INTO ' . Schema::table( 'assets' ) . ' (attachment) VALUES (%d)', $id ) );
		$wpdb->update( Schema::table( 'assets' ), $values, array( 'attachment' => $id ) );
		Database::check();
	}

	/** The row of one field, or its defaults. */
	public static function field( int $id, string $field ): object {
		global $wpdb;
		$sql = 'SELECT * FROM ' . Schema::table( 'fields' ) . ' WHERE attachment = %d AND field = %s';
		$row = Database::row( $wpdb->prepare( $sql, $id, $field ) );
		return $row ? $row : (object) array(
			'writer'   => '',
			'hash'     => '',
			'delivery' => '',
			'previous' => null,
		);
	}

	public static function wrote( int $id, string $field, string $writer, ?string $value, string $delivery = '', ?string $previous = null ): void {
		global $wpdb;
		$row = array(
			'attachment' => $id,
			'field'      => $field,
			'writer'     => $writer,
			'hash'       => (string) Words::hash( $value ),
			'delivery'   => $delivery,
			'previous'   => $previous,
		);
		$wpdb->replace( Schema::table( 'fields' ), $row );
		Database::check();
		self::change( $id, array() );
	}

	public static function forget_field( int $id, string $field ): void {
		global $wpdb;
		$wpdb->delete( Schema::table( 'fields' ), array( 'attachment' => $id, 'field' => $field ) );
		Database::check();
		self::change( $id, array() );
	}

	/** All rows of an attachment that is deleted. */
	public static function forget( int $id ): void {
		global $wpdb;
		foreach ( array( 'assets', 'fields', 'tags' ) as $table ) {
			$wpdb->delete( Schema::table( $table ), array( 'attachment' => $id ) );
		}
	}

	/** What tagger told last: reasons, proposals, error, model and score. */
	public static function told( int $id ): array {
		$told = json_decode( (string) self::asset( $id )->told, true );
		return is_array( $told ) ? $told : array();
	}

	public static function tell( int $id, array $told ): void {
		self::change( $id, array( 'told' => (string) wp_json_encode( $told ) ) );
	}
}
