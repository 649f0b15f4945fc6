<?php
/**
 * The box on an attachment: the proposed text with its score and reason, and what an editor can do with it.
 *
 * @package tagger
 */

namespace Tagger;

final class Box {
	const ACTION = 'tagger_box';

	public static function boot(): void {
		add_action( 'add_meta_boxes_attachment', array( self::class, 'add' ) );
		add_filter( 'attachment_fields_to_edit', array( self::class, 'modal' ), 10, 2 );
		add_action( 'admin_post_' . self::ACTION, array( self::class, 'act' ) );
	}

	public static function add( \WP_Post $post ): void {
		if ( Asset::is_picture( $post->ID ) ) {
			add_meta_box( 'tagger', 'tagger', array( self::class, 'show' ), 'attachment', 'side', 'high' );
		}
	}

	public static function show( \WP_Post $post ): void {
		echo self::html( $post->ID, true ); // phpcs:ignore WordPress.Security.EscapeOutput -- escaped where it is made.
		?>
		<script>
		for ( const button of document.querySelectorAll( '[data-tagger-edit]' ) ) {
			button.addEventListener( 'click', () => {
				const id = button.dataset.taggerEdit === 'caption' ? 'attachment_caption' : 'attachment_alt';
				const field = document.getElementById( id );
				field.value = button.dataset.text;
				field.focus();
			} );
		}
		</script>
		<?php
	}

	/** In the details of the grid. */
	public static function modal( array $fields, \WP_Post $post ): array {
		$screen = function_exists( 'get_current_screen' ) ? get_current_screen() : null;
		if ( Asset::is_picture( $post->ID ) && ! ( $screen && 'attachment' === $screen->id ) ) {
			$fields['tagger'] = array( 'label' => 'tagger', 'input' => 'html', 'html' => self::html( $post->ID, false ) );
		}
		return $fields;
	}

	/** A failure of the plugin's tables is shown here, and the rest of the page works. */
	private static function html( int $id, bool $form ): string {
		try {
			return ( $form ? Form::seen( $id ) : '' ) . self::content( $id, $form );
		} catch ( Database_Error $failure ) {
			return '<p>' . esc_html( $failure->getMessage() ) . '</p>';
		}
	}

	private static function content( int $id, bool $form ): string {
		$asset = Store::asset( $id );
		$told  = Store::told( $id );
		$html  = '<p class="tagger-state"><strong>' . esc_html( Review::state( $asset->state ) ) . '</strong></p>';
		if ( isset( $told['error'] ) ) {
			$html .= '<p>' . esc_html( trim( $told['error']['detail'] . ' ' . $told['error']['remedy'] ) ) . '</p>';
		}
		foreach ( array( 'proposals', 'others' ) as $kind ) {
			foreach ( (array) ( $told[ $kind ] ?? array() ) as $field => $offer ) {
				$html .= self::offer( $id, (string) $field, (array) $offer, $form );
			}
		}
		if ( in_array( $asset->state, array( 'nothing' ), true ) ) {
			$html .= '<p>' . esc_html( implode( ' ', array_map( array( Review::class, 'reason' ), (array) ( $told['reasons'] ?? array() ) ) ) ) . '</p>';
		}
		foreach ( (array) ( $told['fields'] ?? array() ) as $field => $offer ) {
			if ( 'tagger' === Store::field( $id, (string) $field )->writer ) {
				$html .= '<p><small>' . esc_html( self::name( (string) $field ) . ': ' . self::origin( (array) $offer ) ) . '</small></p>';
			}
		}
		$again = self::link( $id, 'again', __( 'Describe again', 'tagger' ), 'button' );
		$lock  = $asset->locked
			? self::link( $id, 'unlock', __( 'Allow tagger to write', 'tagger' ), '' )
			: self::link( $id, 'lock', __( 'Lock: tagger never writes here', 'tagger' ), '' );
		return $html . '<p>' . ( Settings::ready() ? $again : '' ) . '</p><p>' . $lock . '</p>';
	}

	private static function offer( int $id, string $field, array $offer, bool $form ): string {
		$html  = '<div class="tagger-proposal"><p><em>' . esc_html( self::name( $field ) ) . ':</em> ' . esc_html( $offer['value'] ) . '<br>';
		$html .= '<small>' . esc_html( self::origin( $offer ) . '. ' . implode( ' ', array_map( array( Review::class, 'reason' ), (array) $offer['reasons'] ) ) ) . '</small></p><p>';
		$html .= self::link( $id, 'accept', __( 'Accept', 'tagger' ), 'button button-primary', $field, self::mark( $offer ) ) . ' ';
		if ( $form ) {
			$html .= '<button type="button" class="button" data-tagger-edit="' . esc_attr( $field ) . '" data-text="' . esc_attr( $offer['value'] ) . '">' . esc_html__( 'Edit', 'tagger' ) . '</button> ';
		}
		return $html . self::link( $id, 'reject', __( 'Reject', 'tagger' ), 'button', $field ) . '</p></div>';
	}

	private static function origin( array $offer ): string {
		$score = isset( $offer['score'] ) ? sprintf( '%d %%', round( 100 * (float) $offer['score'] ) ) : '';
		return trim( implode( ', ', array_filter( array( (string) ( $offer['model'] ?? '' ), $score ) ) ) );
	}

	private static function name( string $field ): string {
		return 'caption' === $field ? __( 'Caption', 'tagger' ) : __( 'Alternative text', 'tagger' );
	}

	private static function link( int $id, string $do, string $label, string $class, string $field = '', string $shown = '' ): string {
		$query = array( 'action' => self::ACTION, 'do' => $do, 'id' => $id, 'field' => $field, 'shown' => $shown );
		$url   = wp_nonce_url( add_query_arg( $query, admin_url( 'admin-post.php' ) ), self::ACTION . $id );
		return '<a class="' . esc_attr( $class ) . '" data-tagger="' . esc_attr( $do ) . '" href="' . esc_url( $url ) . '">' . esc_html( $label ) . '</a>';
	}

	public static function act(): void {
		$id = isset( $_GET['id'] ) ? (int) $_GET['id'] : 0;
		check_admin_referer( self::ACTION . $id );
		if ( ! current_user_can( 'edit_post', $id ) || ! Asset::is_picture( $id ) ) {
			wp_die( esc_html__( 'You may not change this picture.', 'tagger' ), 403 );
		}
		$field = isset( $_GET['field'] ) && 'caption' === $_GET['field'] ? 'caption' : 'alt_text';
		$shown = isset( $_GET['shown'] ) ? sanitize_key( $_GET['shown'] ) : '';
		if ( ! self::run( $id, isset( $_GET['do'] ) ? sanitize_key( $_GET['do'] ) : '', $field, $shown ) ) {
			wp_die( esc_html__( 'The proposal has changed since this page was opened. Go back, reload the page and read it again.', 'tagger' ), 409, array( 'back_link' => true ) );
		}
		wp_safe_redirect( (string) get_edit_post_link( $id, 'raw' ) );
		exit;
	}

	/** @param string $shown The mark of the proposal that the editor saw. False: another one stands there by now. */
	public static function run( int $id, string $do, string $field, string $shown = '' ): bool {
		if ( 'accept' === $do ) {
			$told  = Store::told( $id );
			$offer = $told['proposals'][ $field ] ?? ( $told['others'][ $field ] ?? null );
			if ( ! $offer || self::mark( $offer ) !== $shown ) {
				return false;
			}
			self::set( $id, $field, (string) $offer['value'] );
		} elseif ( 'again' === $do && Settings::ready() ) {
			Outbox::picture( $id, 'asset.updated', true );
		} elseif ( in_array( $do, array( 'reject', 'lock', 'unlock' ), true ) ) {
			// Under the lock: a message that arrives now writes the same rows.
			$done = Lock::attachment(
				$id,
				static function () use ( $id, $do, $field ) {
					if ( 'reject' === $do ) {
						Review::settled( $id, $field );
					} else {
						Store::change( $id, array( 'locked' => 'lock' === $do ? 1 : 0 ) );
					}
					return true;
				}
			);
			if ( ! $done ) {
				wp_die( esc_html__( 'tagger writes to this picture at the moment. Go back and try again.', 'tagger' ), 503, array( 'back_link' => true ) );
			}
		}
		return true;
	}

	/** Of a proposal's text, for the link that accepts it. */
	private static function mark( array $offer ): string {
		return substr( hash( 'sha256', (string) $offer['value'] ), 0, 16 );
	}

	/** As if the editor typed it: Watch makes it theirs and tells tagger. */
	private static function set( int $id, string $field, string $value ): void {
		if ( 'caption' === $field ) {
			wp_update_post( wp_slash( array( 'ID' => $id, 'post_excerpt' => $value ) ) );
		} else {
			update_post_meta( $id, Texts::ALT, wp_slash( $value ) );
		}
	}
}
