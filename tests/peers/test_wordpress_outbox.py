"""The plugin's outbox: no row's own fault holds up the others. tagger's answers are given by the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from peers.joined import Joined

PHP = """
global $wpdb;
$table = Tagger\\Schema::table('outbox');
$wpdb->query("DELETE FROM $table");
$asked = [];
add_filter('pre_http_request', function ($before, $options, $url) use (&$asked) {
    $body = json_decode($options['body'] ?? '', true);
    $asset = $body['data']['asset']['id'] ?? basename(dirname(parse_url($url, PHP_URL_PATH)));
    $asked[] = [$body['type'] ?? $options['method'], $asset, $url];
    $answer = (function ($asset, $url, $body) { ANSWER })($asset, $url, $body);
    $whole = ['response' => ['code' => $answer, 'message' => ''], 'body' => '{}', 'headers' => [], 'cookies' => []];
    return is_int($answer) ? $whole : $answer;
}, 10, 3);
$put = function ($id, $kind, $attempts = 0) use ($wpdb, $table) {
    $asset = ['asset' => ['id' => (string) $id, 'revision' => '1'], 'locales' => ['en'], 'context' => []];
    Tagger\\Outbox::add($kind, $id, $asset);
    $wpdb->update($table, ['attempts' => $attempts], ['id' => $wpdb->insert_id]);
};
$picture = function ($file) {
    $id = wp_insert_attachment(['post_mime_type' => 'image/jpeg', 'post_title' => 'a', 'post_status' => 'inherit'], $file);
    return $id;
};
$left = function () use ($wpdb, $table) {
    return array_map('intval', $wpdb->get_col("SELECT attachment FROM $table ORDER BY id"));
};
try {
    CODE
} finally {
    remove_action('shutdown', ['Tagger\\Outbox', 'send_after_the_answer'], 9999);
    $wpdb->query("DELETE FROM $table");
}
"""


def play(wordpress: Joined, code: str, answer: str = "return 202;") -> Any:
    """Runs this in WordPress, with an empty outbox and a tagger that answers each request with `answer`."""
    return wordpress.wp.php(PHP.replace("ANSWER", answer).replace("CODE", code))


@pytest.fixture
def file(wordpress: Joined) -> Path:
    path = wordpress.wp.folder / "outbox.jpg"
    Image.new("RGB", (32, 32), "red").save(path)
    return path


def test_rows_that_fail_by_themselves_do_not_hold_up_a_new_picture(wordpress: Joined) -> None:
    code = """
    for ($id = 900001; $id <= 900070; $id++) $put($id, 'asset.updated', 3);
    $put(900100, 'asset.created');
    Tagger\\Outbox::flush();
    return [$asked[0][1], count($asked), in_array(900100, $left(), true)];
    """
    assert play(wordpress, code, "return $asset === '900100' ? 202 : 500;") == ["900100", 4, False], "then three, then it stops"


def test_files_that_cannot_be_read_do_not_stop_the_others_and_end_as_failed(wordpress: Joined, file: Path) -> None:
    code = f"""
    $lost = [];
    for ($n = 0; $n < 5; $n++) {{ $lost[] = $picture('/nowhere/lost.jpg'); $put(end($lost), 'image'); }}
    $good = $picture({json.dumps(str(file))});
    $put($good, 'image');
    Tagger\\Outbox::flush();
    $first = [$left() === $lost, $asked[count($asked) - 1][0]];
    for ($n = 0; $n < 4; $n++) {{ $wpdb->query("UPDATE $table SET due_at = 0"); Tagger\\Outbox::flush(); }}
    return [...$first, $left(), Tagger\\Store::asset($lost[0])->state, Tagger\\Store::told($lost[0])['error']['detail']];
    """
    answer = "return strpos($url, '/v1/') ? 202 : 404;"
    assert play(wordpress, code, answer) == [True, "PUT", [], "failed", "The file cannot be read."]


def test_a_file_that_does_not_fit_into_memory_is_never_read(wordpress: Joined, file: Path) -> None:
    large = file.with_name("large.jpg")
    with large.open("wb") as sparse:
        sparse.truncate(200 << 20)
    code = f"""
    $id = $picture({json.dumps(str(large))});
    $put($id, 'image');
    Tagger\\Outbox::flush();
    return [$left(), $asked, Tagger\\Store::told($id)['error']];
    """
    told = {"code": "too_large", "detail": "The file is too large to be sent.", "remedy": ""}
    try:
        assert play(wordpress, code) == [[], [], told]
    finally:
        large.unlink()


def test_an_attempt_counts_also_if_php_dies_in_it(wordpress: Joined) -> None:
    """The answer is never settled: what stands in the table then is what the next process finds."""
    code = """
    $put(900001, 'asset.updated');
    try { Tagger\\Outbox::flush(); } catch (Error $died) {}
    $row = $wpdb->get_row("SELECT attempts, due_at FROM $table");
    return [(int) $row->attempts, $row->due_at > time()];
    """
    assert play(wordpress, code, "throw new Error('PHP dies');") == [1, True]


def test_while_tagger_is_away_three_rows_are_tried(wordpress: Joined) -> None:
    code = """
    for ($id = 900001; $id <= 900010; $id++) $put($id, 'asset.updated');
    Tagger\\Outbox::flush();
    return [count($asked), count($left())];
    """
    assert play(wordpress, code, "return new WP_Error('away', 'no connection');") == [3, 10]


def test_the_rows_of_a_picture_keep_their_order(wordpress: Joined) -> None:
    code = """
    $put(900001, 'asset.created');
    $put(900001, 'asset.edited');
    $put(900002, 'asset.created');
    Tagger\\Outbox::flush();
    return [array_column($asked, 0), $left()];
    """
    answer = "return $asset === '900001' ? 401 : 202;"
    assert play(wordpress, code, answer) == [["asset.created", "asset.created"], [900001, 900001]]


def test_an_edit_that_tagger_refuses_does_not_mark_the_picture_as_failed(wordpress: Joined) -> None:
    code = """
    foreach (['asset.edited' => 900001, 'asset.updated' => 900002] as $kind => $id) {
        Tagger\\Store::change($id, ['state' => '']);
        $put($id, $kind);
    }
    Tagger\\Outbox::flush();
    return [$left(), Tagger\\Store::asset(900001)->state, Tagger\\Store::asset(900002)->state];
    """
    assert play(wordpress, code, "return 422;") == [[], "", "failed"]


def test_a_refusal_is_noted_when_the_picture_is_free(wordpress: Joined) -> None:
    code = """
    $put(900003, 'asset.updated');
    $other = new wpdb(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
    $name = 'tagger_' . md5(DB_NAME . $wpdb->prefix . 'attachment 900003');
    $taken = $other->get_var("SELECT GET_LOCK('$name', 0)");
    $short = fn($sql) => strpos($sql, 'SELECT GET_LOCK') === 0 ? str_replace(', 10)', ', 0)', $sql) : $sql;
    add_filter('query', $short); // nobody wants to wait ten seconds
    Tagger\\Outbox::flush();
    $first = [$taken, $left(), Tagger\\Store::asset(900003)->state];
    $other->get_var("SELECT RELEASE_LOCK('$name')");
    $wpdb->query("UPDATE $table SET due_at = 0");
    Tagger\\Outbox::flush();
    remove_filter('query', $short);
    return [$first, $left(), Tagger\\Store::asset(900003)->state];
    """
    assert play(wordpress, code, "return 422;") == [["1", [900003], ""], [], "failed"]


def test_a_long_caption_does_not_make_the_address_too_long(wordpress: Joined, file: Path) -> None:
    code = f"""
    $id = $picture({json.dumps(str(file))});
    $asset = ['asset' => ['id' => (string) $id, 'revision' => '1'], 'locales' => ['en']];
    $asset['context'] = ['title' => str_repeat('题', 900), 'caption' => str_repeat('图', 4000)];
    Tagger\\Outbox::add('image', $id, $asset);
    Tagger\\Outbox::flush();
    return [strlen($asked[0][2]), $left()];
    """
    length, left = play(wordpress, code, "return strlen($url) > 8000 ? 414 : 202;")
    assert (length < 8000, left) == (True, [])


def test_the_whole_run_ends_in_time_also_if_rows_come_in_without_end(wordpress: Joined) -> None:
    """Each request takes ten seconds by the plugin's clock, and brings a new row."""
    code = """
    eval('namespace Tagger; function time() { return \\\\time() + ($GLOBALS["passed"] ?? 0); }');
    $GLOBALS['passed'] = 0;
    $more = function () use ($put) { $GLOBALS['passed'] += 10; $put(900000 + $GLOBALS['passed'], 'asset.updated'); };
    add_filter('pre_http_request', function ($before) use ($more) { $more(); return $before; }, 5);
    $put(900001, 'asset.updated');
    Tagger\\Outbox::flush();
    return count($asked);
    """
    assert play(wordpress, code) == 3


@pytest.mark.parametrize(
    ("given", "kept"), [("de", "de"), ("zh_Hans", "zh_Hans"), ("english", "en"), ("d", "en"), ("", "")],
    ids=["good", "underscore", "a-word", "one-letter", "none"],
)  # fmt: skip
def test_a_language_that_tagger_does_not_read_is_not_saved(wordpress: Joined, given: str, kept: str) -> None:
    code = f"""
    require_once ABSPATH . 'wp-admin/includes/template.php';
    require_once WP_PLUGIN_DIR . '/tagger/includes/class-settings-page.php';
    $kept = Tagger\\Settings_Page::sanitize(['locale' => '{given}'])['locale'];
    return [$kept, count(get_settings_errors()) > 0];
    """
    assert play(wordpress, code) == [kept, given not in ("de", "zh_Hans", "")]
