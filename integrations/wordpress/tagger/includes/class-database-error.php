<?php
/**
 * A query failed: nothing is known of the rows. tagger is asked to send the message again.
 *
 * @package tagger
 */

namespace Tagger;

final class Database_Error extends \RuntimeException {
}
