<?php
/**
 * Settings → tagger: the connection, its test, what waits, and the posts with empty alts.
 *
 * @package tagger
 */

namespace Tagger;

final class Settings_Page {
	const PAGE = 'tagger';

	public static function boot(): void {
		add_action( 'admin_menu', array( self::class, 'menu' ) );
		add_action( 'admin_init', array( self::class, 'register' ) );
		add_filter( 'plugin_action_links_' . plugin_basename( FILE ), array( self::class, 'link' ) );
		add_action( 'admin_notices', array( self::class, 'notice' ) );
	}

	public static function menu(): void {
		add_options_page( 'tagger', 'tagger', 'manage_options', self::PAGE, array( self::class, 'show' ) );
	}

	public static function link( array $links ): array {
		$url = admin_url( 'options-general.php?page=' . self::PAGE );
		return array_merge( array( '<a href="' . esc_url( $url ) . '">' . esc_html__( 'Settings', 'tagger' ) . '</a>' ), $links );
	}

	public static function register(): void {
		register_setting( self::PAGE, Settings::OPTION, array( 'type' => 'array', 'sanitize_callback' => array( self::class, 'sanitize' ) ) );
	}

	/** A secret that is left empty stays as it was: the page never shows it. */
	public static function sanitize( $given ): array {
		$stored = get_option( Settings::OPTION, array() );
		$stored = is_array( $stored ) ? $stored : array();
		$given  = is_array( $given ) ? $given : array();
		$kept   = array();
		foreach ( array_keys( Settings::DEFAULTS ) as $name ) {
			$value = trim( (string) ( $given[ $name ] ?? '' ) );
			if ( '' === $value && in_array( $name, Settings::SECRETS, true ) ) {
				$value = (string) ( $stored[ $name ] ?? '' );
			}
			if ( 'locale' === $name && '' !== $value && ! Words::is_locale( $value ) ) {
				/* translators: %s: what was entered */
				add_settings_error( Settings::OPTION, 'tagger_locale', sprintf( __( '"%s" is no language that tagger reads. Enter one such as en, pt-BR or zh-Hans.', 'tagger' ), $value ) );
				$value = (string) ( $stored[ $name ] ?? '' );
			}
			$kept[ $name ] = 'url' === $name ? esc_url_raw( $value ) : sanitize_text_field( $value );
		}
		return $kept;
	}

	public static function show(): void {
		$fields = array(
			'url'             => array( __( 'Address of tagger', 'tagger' ), 'https://tagger.example', '' ),
			'site'            => array( __( 'Site', 'tagger' ), 'blog', __( 'The name that you gave to this site with tagger sites add.', 'tagger' ) ),
			'hook_secret'     => array( __( 'Hook secret', 'tagger' ), 'whsec_…', __( 'tagger sites add prints it once.', 'tagger' ) ),
			'callback_secret' => array( __( 'Callback secret', 'tagger' ), 'whsec_…', __( 'During a rotation enter both, with a blank between.', 'tagger' ) ),
			'api_key'         => array( __( 'API key', 'tagger' ), '', __( 'Only needed to send the pictures: tagger keys create prints it once.', 'tagger' ) ),
			'locale'          => array( __( 'Language of the texts', 'tagger' ), Words::locale( get_locale() ), __( 'As tagger writes it: en, de, zh-Hans. The site in tagger must have the same.', 'tagger' ) ),
		);
		?>
		<div class="wrap">
			<h1>tagger</h1>
			<p>
				<?php esc_html_e( 'Enter this address as the endpoint of the site in tagger:', 'tagger' ); ?>
				<code id="tagger-endpoint"><?php echo esc_html( rest_url( 'tagger/v1/messages' ) ); ?></code>
			</p>
			<form method="post" action="options.php">
				<?php settings_fields( self::PAGE ); ?>
				<table class="form-table" role="presentation">
					<?php
					foreach ( $fields as $name => $texts ) {
						self::row( $name, $texts );
					}
					self::box( 'send_bytes', __( 'Send the pictures', 'tagger' ), __( 'tagger cannot reach this site: send the files themselves. Needs the API key.', 'tagger' ) );
					self::box( 'fill_empty', __( 'Fill empty alts in published posts', 'tagger' ), __( 'A picture whose alt is empty in a post is shown with the text of the media library. The post itself is not changed. Leave it off if your editors use empty alts for decorative pictures.', 'tagger' ) );
					?>
				</table>
				<?php submit_button(); ?>
			</form>
			<?php
			self::test();
			self::waiting();
			self::report();
			?>
		</div>
		<?php
	}

	private static function row( string $name, array $texts ): void {
		$secret = in_array( $name, Settings::SECRETS, true );
		$set    = '' !== Settings::get( $name );
		$fixed  = Settings::fixed( $name );
		?>
		<tr>
			<th scope="row"><label for="tagger-<?php echo esc_attr( $name ); ?>"><?php echo esc_html( $texts[0] ); ?></label></th>
			<td>
				<input class="regular-text code" autocomplete="off" id="tagger-<?php echo esc_attr( $name ); ?>"
					type="<?php echo $secret ? 'password' : 'text'; ?>" <?php disabled( $fixed ); ?>
					name="<?php echo esc_attr( Settings::OPTION . '[' . $name . ']' ); ?>"
					value="<?php echo esc_attr( $secret || $fixed ? '' : Settings::get( $name ) ); ?>"
					placeholder="<?php echo esc_attr( $secret && $set ? __( 'set; leave empty to keep it', 'tagger' ) : $texts[1] ); ?>">
				<p class="description"><?php echo esc_html( $fixed ? __( 'Set in wp-config.php.', 'tagger' ) : $texts[2] ); ?></p>
			</td>
		</tr>
		<?php
	}

	private static function box( string $name, string $label, string $text ): void {
		?>
		<tr>
			<th scope="row"><?php echo esc_html( $label ); ?></th>
			<td><label>
				<input type="checkbox" value="1" name="<?php echo esc_attr( Settings::OPTION . '[' . $name . ']' ); ?>"
					<?php checked( Settings::get( $name ), '1' ); ?> <?php disabled( Settings::fixed( $name ) ); ?>>
				<?php echo esc_html( $text ); ?>
			</label></td>
		</tr>
		<?php
	}

	private static function test(): void {
		?>
		<h2><?php esc_html_e( 'Test the connection', 'tagger' ); ?></h2>
		<p><?php esc_html_e( 'Sends a test picture to tagger, waits for the answer, and removes both again. Save first.', 'tagger' ); ?></p>
		<p><button type="button" class="button" id="tagger-test"><?php esc_html_e( 'Test the connection', 'tagger' ); ?></button></p>
		<ul id="tagger-steps" aria-live="polite"></ul>
		<script>
		document.getElementById( 'tagger-test' ).addEventListener( 'click', async ( event ) => {
			const list = document.getElementById( 'tagger-steps' );
			event.target.disabled = true;
			list.textContent = <?php echo wp_json_encode( __( 'Waiting for tagger …', 'tagger' ) ); ?>;
			const body = new URLSearchParams( { action: 'tagger_test', _ajax_nonce: <?php echo wp_json_encode( wp_create_nonce( 'tagger_test' ) ); ?> } );
			let result;
			try {
				result = await ( await fetch( ajaxurl, { method: 'POST', body } ) ).json();
			} catch ( error ) {
				result = { ok: false, steps: [ [ false, String( error ) ] ] };
			}
			list.textContent = '';
			for ( const [ good, text ] of result.steps ) {
				const item = document.createElement( 'li' );
				item.textContent = ( good ? '✓ ' : '✗ ' ) + text;
				list.append( item );
			}
			list.dataset.ok = result.ok;
			event.target.disabled = false;
		} );
		</script>
		<?php
	}

	private static function waiting(): void {
		$status = Outbox::status();
		?>
		<h2><?php esc_html_e( 'Waiting to be sent', 'tagger' ); ?></h2>
		<p>
			<?php
			/* translators: %d: number of messages */
			echo esc_html( sprintf( _n( '%d message waits for tagger.', '%d messages wait for tagger.', $status['waiting'], 'tagger' ), $status['waiting'] ) );
			if ( '' !== $status['error'] ) {
				/* translators: %s: error */
				echo ' ' . esc_html( sprintf( __( 'The last attempt failed: %s', 'tagger' ), $status['error'] ) );
			}
			?>
		</p>
		<?php
	}

	private static function report(): void {
		$rows = Render::report( 50 );
		?>
		<h2><?php esc_html_e( 'Posts with empty alts', 'tagger' ); ?></h2>
		<p><?php esc_html_e( 'These pictures have a text in the media library, but none in the post, because they were inserted before the text was made.', 'tagger' ); ?></p>
		<table class="widefat striped" id="tagger-report">
			<thead><tr><th><?php esc_html_e( 'Post', 'tagger' ); ?></th><th><?php esc_html_e( 'Text of the media library', 'tagger' ); ?></th></tr></thead>
			<tbody>
			<?php foreach ( $rows as $row ) : ?>
				<tr>
					<td><a href="<?php echo esc_url( (string) get_edit_post_link( $row['post'] ) ); ?>"><?php echo esc_html( $row['title'] ); ?></a></td>
					<td><?php echo esc_html( $row['alt'] ); ?></td>
				</tr>
			<?php endforeach; ?>
			<?php if ( ! $rows ) : ?>
				<tr><td colspan="2"><?php esc_html_e( 'None.', 'tagger' ); ?></td></tr>
			<?php endif; ?>
			</tbody>
		</table>
		<?php
	}

	/** On the pages of plugins and media: the plugin does nothing until it is set up. */
	public static function notice(): void {
		$screen = get_current_screen();
		if ( Settings::ready() || ! $screen || ! in_array( $screen->id, array( 'plugins', 'upload' ), true ) || ! current_user_can( 'manage_options' ) ) {
			return;
		}
		$url = admin_url( 'options-general.php?page=' . self::PAGE );
		echo '<div class="notice notice-info"><p>' . esc_html__( 'tagger is not connected yet.', 'tagger' ) . ' <a href="' . esc_url( $url ) . '">' . esc_html__( 'Set it up', 'tagger' ) . '</a></p></div>';
	}
}
