<?php
/**
 * A picture as tagger is told of it: address, version and context.
 *
 * @package tagger
 */

namespace Tagger;

final class Asset {
	const MOST_BYTES = 33554432;

	/** Whether tagger can describe files of this kind. */
	public static function is_picture( int $id ): bool {
		$type = (string) get_post_mime_type( $id );
		return 0 === strpos( $type, 'image/' ) && 'image/svg+xml' !== $type;
	}

	/** Changes when the picture changes, and only then. */
	public static function revision( int $id ): string {
		$meta = wp_get_attachment_metadata( $id );
		$meta = is_array( $meta ) ? $meta : array();
		$file = (string) get_post_meta( $id, '_wp_attached_file', true );
		return substr( sha1( $file . '|' . ( $meta['filesize'] ?? '' ) . '|' . ( $meta['width'] ?? '' ) . '|' . ( $meta['height'] ?? '' ) ), 0, 16 );
	}

	/** A rendition of about 1,024 pixels. A site that tagger cannot reach sends the bytes instead. */
	public static function image( int $id ): array {
		if ( Settings::get( 'send_bytes' ) ) {
			return array( 'send' => true );
		}
		return array( 'url' => self::url( $id ) );
	}

	public static function url( int $id ): string {
		$large = wp_get_attachment_image_src( $id, 'large' );
		return $large ? $large[0] : (string) wp_get_attachment_url( $id );
	}

	/**
	 * The bytes of the same rendition, or why they cannot be had.
	 *
	 * @return array{bytes: string, code: string, error: string, final: bool}
	 */
	public static function bytes( int $id ): array {
		$file  = (string) get_attached_file( $id );
		$large = image_get_intermediate_size( $id, 'large' );
		if ( $large && isset( $large['file'] ) ) {
			$file = path_join( dirname( $file ), $large['file'] );
		}
		if ( is_readable( $file ) && is_file( $file ) ) {
			if ( (int) filesize( $file ) > self::most_bytes() ) {
				return self::unreadable( 'too_large', __( 'The file is too large to be sent.', 'tagger' ), true );
			}
			$bytes = (string) file_get_contents( $file );
			return '' === $bytes ? self::unreadable( 'unreadable', __( 'The file cannot be read.', 'tagger' ), false ) : self::read( $bytes );
		}
		// Offloaded to other storage.
		$answer = wp_remote_get( self::url( $id ), array( 'timeout' => 20, 'limit_response_size' => self::most_bytes() + 1 ) );
		$bytes  = is_wp_error( $answer ) || 200 !== wp_remote_retrieve_response_code( $answer ) ? '' : wp_remote_retrieve_body( $answer );
		if ( strlen( $bytes ) > self::most_bytes() ) {
			return self::unreadable( 'too_large', __( 'The file is too large to be sent.', 'tagger' ), true );
		}
		return '' === $bytes ? self::unreadable( 'unreadable', __( 'The file cannot be read.', 'tagger' ), false ) : self::read( $bytes );
	}

	private static function read( string $bytes ): array {
		return array( 'bytes' => $bytes, 'code' => '', 'error' => '', 'final' => false );
	}

	private static function unreadable( string $code, string $error, bool $final ): array {
		return array( 'bytes' => '', 'code' => $code, 'error' => $error, 'final' => $final );
	}

	/** tagger takes 32 MB. The file is in memory, and once more in the request. */
	private static function most_bytes(): int {
		wp_raise_memory_limit( 'image' );
		$limit = wp_convert_hr_to_bytes( (string) ini_get( 'memory_limit' ) );
		$free  = $limit > 0 ? (int) ( ( $limit - memory_get_usage() ) / 3 ) : self::MOST_BYTES;
		return max( 0, min( self::MOST_BYTES, $free ) );
	}

	/**
	 * What the editors know of the picture. A title that is only the file's name says nothing, and a caption that tagger wrote
	 * would make every later text look like a repetition.
	 */
	public static function context( int $id ): array {
		$post  = get_post( $id );
		$title = $post ? $post->post_title : '';
		$file  = pathinfo( (string) get_post_meta( $id, '_wp_attached_file', true ), PATHINFO_FILENAME );
		$plain = static function ( string $text ): string {
			return (string) preg_replace( '/-scaled$|-rotated$|-\d+$/', '', sanitize_title( $text ) );
		};
		$given = '' !== $title && $plain( $title ) !== $plain( $file );
		$row   = Store::field( $id, 'caption' );
		$ours  = $post && 'tagger' === $row->writer && Words::hash( $post->post_excerpt ) === $row->hash;
		return array(
			'role'    => 'unknown',
			'title'   => $given ? $title : null,
			'caption' => $post && '' !== $post->post_excerpt && ! $ours ? wp_strip_all_tags( $post->post_excerpt ) : null,
		);
	}

	public static function parent_title( int $id ): ?string {
		$parent = (int) wp_get_post_parent_id( $id );
		return $parent ? get_the_title( $parent ) : null;
	}
}
