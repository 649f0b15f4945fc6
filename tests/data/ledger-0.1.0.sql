-- Made by tagger 0.1.0 (commit 5916473) with the calls that tests/integration/ledger/test_upgrade.py names. Never change it.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE annotations (
	job_id VARCHAR(40) NOT NULL, 
	field VARCHAR(16) NOT NULL, 
	locale VARCHAR(35) NOT NULL, 
	position INTEGER NOT NULL, 
	body JSON NOT NULL, 
	outcome VARCHAR(10), 
	PRIMARY KEY (job_id, field, locale), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "annotations" VALUES('job_01M32514RGCMDSYP1GEAHAMT1B','alt_text','en',0,'{"field": "alt_text", "locale": "en", "value": "Tabby cat", "score": 0.9, "model": "m@1", "rules": ["A1"], "verdict": {"action": "publish", "reasons": []}, "source": "model", "outcome": null}','written');
INSERT INTO "annotations" VALUES('job_01M32514RGC1N3VMPQJSYN0K2W','alt_text','en',0,'{"field": "alt_text", "locale": "en", "value": "Tabby cat", "score": 0.9, "model": "m@1", "rules": ["A1"], "verdict": {"action": "publish", "reasons": []}, "source": "model", "outcome": null}',NULL);
INSERT INTO "annotations" VALUES('job_01M32514RGAZZQ305RJHBYDB9Z','alt_text','en',0,'{"field": "alt_text", "locale": "en", "value": "Tabby cat", "score": 0.9, "model": "m@1", "rules": ["A1"], "verdict": {"action": "publish", "reasons": []}, "source": "model", "outcome": null}',NULL);
CREATE TABLE api_keys (
	id VARCHAR(40) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	name TEXT NOT NULL, 
	key_sha256 VARCHAR(64) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	revoked_ms BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(site_id) REFERENCES sites (id) ON DELETE CASCADE, 
	UNIQUE (key_sha256)
);
INSERT INTO "api_keys" VALUES('key_01M32514RGCTC1797DGCTFCEGH','s','wordpress','abababababababababababababababababababababababababababababababab',1790000010000,NULL);
CREATE TABLE assets (
	site_id VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	sequence BIGINT NOT NULL, 
	PRIMARY KEY (site_id, asset_id)
);
INSERT INTO "assets" VALUES('s','delivered',1);
INSERT INTO "assets" VALUES('s','retried',1);
INSERT INTO "assets" VALUES('s','described',1);
CREATE TABLE attempts (
	id VARCHAR(40) NOT NULL, 
	delivery_id VARCHAR(40) NOT NULL, 
	number INTEGER NOT NULL, 
	at_ms BIGINT NOT NULL, 
	result VARCHAR(10) NOT NULL, 
	status INTEGER, 
	duration_ms INTEGER NOT NULL, 
	error JSON, 
	PRIMARY KEY (id)
);
INSERT INTO "attempts" VALUES('atm_01M32514RG0P7DSN8M854W258X','dlv_01M32514RGBXG8DZFFTBFKBBHR',1,1790000010000,'delivered',200,5,'null');
INSERT INTO "attempts" VALUES('atm_01M32514RGQG22NC787TWB5DK6','dlv_01M32514RGEF17RMXXH7R7G6XQ',1,1790000010000,'retry',NULL,5,'{"type": "https://tagger.dev/errors/delivery-failed", "code": "delivery_failed", "title": "The endpoint did not take the delivery", "status": 502, "detail": "Connection refused.", "stage": "deliver", "retryable": true, "remedy": "Look at the attempts with `tagger deliveries show`, mend the endpoint, then replay.", "errors": []}');
CREATE TABLE backfills (
	id VARCHAR(40) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	spec JSON NOT NULL, 
	cursor TEXT, 
	exhausted BOOLEAN NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	window INTEGER NOT NULL, 
	started_ms BIGINT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE counters (
	scope VARCHAR(16) NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	word VARCHAR(16) NOT NULL, 
	shard INTEGER NOT NULL, 
	value BIGINT NOT NULL, 
	PRIMARY KEY (scope, owner, word, shard)
);
INSERT INTO "counters" VALUES('job','upload','accepted',4,1);
INSERT INTO "counters" VALUES('site','s','open',4,4);
INSERT INTO "counters" VALUES('job','upload','running',4,1);
INSERT INTO "counters" VALUES('delivery','','pending',4,2);
INSERT INTO "counters" VALUES('job','upload','described',4,2);
INSERT INTO "counters" VALUES('delivery','','sending',4,0);
INSERT INTO "counters" VALUES('delivery','','delivered',4,1);
INSERT INTO "counters" VALUES('job','upload','done',4,1);
INSERT INTO "counters" VALUES('job','upload','dead',4,1);
CREATE TABLE dead_letters (
	id VARCHAR(40) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	job_id VARCHAR(40) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	code VARCHAR(63) NOT NULL, 
	error JSON NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "dead_letters" VALUES('job_01M32514RGYNRACYH50X64ZPKS','job','s','dead','job_01M32514RGYNRACYH50X64ZPKS',1790000010000,1,'image_poisonous','{"type": "https://tagger.dev/errors/image-poisonous", "code": "image_poisonous", "title": "The model cannot process this image", "status": 500, "detail": "it raises", "stage": "batch", "retryable": false, "remedy": "Look at the image; send another rendition of it, then replay the dead letter.", "errors": []}');
CREATE TABLE deliveries (
	id VARCHAR(40) NOT NULL, 
	job_id VARCHAR(40) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	sequence BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	tries INTEGER NOT NULL, 
	due_ms BIGINT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	token VARCHAR(32), 
	worker_id VARCHAR(64), replayed_ms BIGINT, 
	PRIMARY KEY (id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "deliveries" VALUES('dlv_01M32514RGBXG8DZFFTBFKBBHR','job_01M32514RGCMDSYP1GEAHAMT1B','s','delivered','delivered',1,0,1,1790000010000,1790000010000,1790000010000,NULL,NULL,NULL);
INSERT INTO "deliveries" VALUES('dlv_01M32514RGEF17RMXXH7R7G6XQ','job_01M32514RGC1N3VMPQJSYN0K2W','s','retried','pending',1,1,1,1790000014648,1790000010000,1790000010000,NULL,NULL,NULL);
INSERT INTO "deliveries" VALUES('dlv_01M32514RGJB4D0W5Z66WVAAM7','job_01M32514RGAZZQ305RJHBYDB9Z','s','described','pending',1,0,0,1790000010000,1790000010000,1790000010000,NULL,NULL,NULL);
CREATE TABLE delivery_bodies (
	delivery_id VARCHAR(40) NOT NULL, 
	fields JSON NOT NULL, 
	metadata JSON NOT NULL, 
	outcomes JSON NOT NULL, 
	error JSON, 
	PRIMARY KEY (delivery_id), 
	FOREIGN KEY(delivery_id) REFERENCES deliveries (id) ON DELETE CASCADE
);
INSERT INTO "delivery_bodies" VALUES('dlv_01M32514RGBXG8DZFFTBFKBBHR','{"alt_text": {"en": {"value": "Tabby cat"}}}','{}','[{"field": "alt_text", "locale": "en", "outcome": "written", "reason": "", "value_sha256": "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd", "added": null, "removed": null}]','null');
INSERT INTO "delivery_bodies" VALUES('dlv_01M32514RGEF17RMXXH7R7G6XQ','{"alt_text": {"en": {"value": "Tabby cat"}}}','{}','[]','{"type": "https://tagger.dev/errors/delivery-failed", "code": "delivery_failed", "title": "The endpoint did not take the delivery", "status": 502, "detail": "Connection refused.", "stage": "deliver", "retryable": true, "remedy": "Look at the attempts with `tagger deliveries show`, mend the endpoint, then replay.", "errors": []}');
INSERT INTO "delivery_bodies" VALUES('dlv_01M32514RGJB4D0W5Z66WVAAM7','{"alt_text": {"en": {"value": "Tabby cat"}}}','{}','[]',NULL);
CREATE TABLE embeddings (
	site_id VARCHAR(63) NOT NULL, 
	name VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	model VARCHAR(127) NOT NULL, 
	vector BLOB NOT NULL, 
	job_id VARCHAR(40) NOT NULL, 
	PRIMARY KEY (site_id, name, asset_id)
);
CREATE TABLE endpoints (
	id VARCHAR(40) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	url TEXT NOT NULL, 
	secrets JSON NOT NULL, 
	enabled BOOLEAN NOT NULL, 
	allow_private BOOLEAN NOT NULL, 
	circuit VARCHAR(9) NOT NULL, 
	pause_ms BIGINT NOT NULL, 
	probe_ms BIGINT NOT NULL, 
	probe_id VARCHAR(40), 
	not_before_ms BIGINT NOT NULL, 
	unsettled BOOLEAN NOT NULL, window JSON DEFAULT '[]' NOT NULL, told_ms BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (site_id)
);
INSERT INTO "endpoints" VALUES('end_s','s','https://s.example/hook','["whsec_a"]',1,0,'closed',5000,0,NULL,0,0,'[[358000002, 1, 1, 0]]',0);
CREATE TABLE erased_jobs (
	identity BLOB NOT NULL, 
	job_id VARCHAR(40) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (identity)
);
CREATE TABLE idempotency (
	site_id VARCHAR(63) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	body_sha256 VARCHAR(64) NOT NULL, 
	status INTEGER, 
	body BLOB, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (site_id, "key")
);
CREATE TABLE job_errors (
	job_id VARCHAR(40) NOT NULL, 
	error JSON NOT NULL, 
	timings_ms JSON NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_errors" VALUES('job_01M32514RGYNRACYH50X64ZPKS','{"type": "https://tagger.dev/errors/image-poisonous", "code": "image_poisonous", "title": "The model cannot process this image", "status": 500, "detail": "it raises", "stage": "batch", "retryable": false, "remedy": "Look at the image; send another rendition of it, then replay the dead letter.", "errors": []}','{}',1790000010000);
CREATE TABLE job_requests (
	job_id VARCHAR(40) NOT NULL, 
	body JSON NOT NULL, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_requests" VALUES('job_01M32514RGCMDSYP1GEAHAMT1B','{"site_id": "s", "asset_id": "delivered", "source": {"kind": "url", "location": "https://cms.example/delivered.jpg", "root": "", "sha256": ""}, "lane": "upload", "asset_revision": "1", "event_id": null, "profile": "general", "locales": ["en"], "fields": ["alt_text", "caption", "tags"], "context": {"role": "unknown", "title": null, "caption": null, "contains_text": null}, "metadata": {}, "backfill_id": null, "deliver": true}');
INSERT INTO "job_requests" VALUES('job_01M32514RGC1N3VMPQJSYN0K2W','{"site_id": "s", "asset_id": "retried", "source": {"kind": "url", "location": "https://cms.example/retried.jpg", "root": "", "sha256": ""}, "lane": "upload", "asset_revision": "1", "event_id": null, "profile": "general", "locales": ["en"], "fields": ["alt_text", "caption", "tags"], "context": {"role": "unknown", "title": null, "caption": null, "contains_text": null}, "metadata": {}, "backfill_id": null, "deliver": true}');
INSERT INTO "job_requests" VALUES('job_01M32514RGAZZQ305RJHBYDB9Z','{"site_id": "s", "asset_id": "described", "source": {"kind": "url", "location": "https://cms.example/described.jpg", "root": "", "sha256": ""}, "lane": "upload", "asset_revision": "1", "event_id": null, "profile": "general", "locales": ["en"], "fields": ["alt_text", "caption", "tags"], "context": {"role": "unknown", "title": null, "caption": null, "contains_text": null}, "metadata": {}, "backfill_id": null, "deliver": true}');
INSERT INTO "job_requests" VALUES('job_01M32514RGFPTPAFSD8E35AC80','{"site_id": "s", "asset_id": "accepted", "source": {"kind": "url", "location": "https://cms.example/accepted.jpg", "root": "", "sha256": ""}, "lane": "upload", "asset_revision": "1", "event_id": null, "profile": "general", "locales": ["en"], "fields": ["alt_text", "caption", "tags"], "context": {"role": "unknown", "title": null, "caption": null, "contains_text": null}, "metadata": {}, "backfill_id": null, "deliver": true}');
INSERT INTO "job_requests" VALUES('job_01M32514RGYNRACYH50X64ZPKS','{"site_id": "s", "asset_id": "dead", "source": {"kind": "url", "location": "https://cms.example/dead.jpg", "root": "", "sha256": ""}, "lane": "upload", "asset_revision": "1", "event_id": null, "profile": "general", "locales": ["en"], "fields": ["alt_text", "caption", "tags"], "context": {"role": "unknown", "title": null, "caption": null, "contains_text": null}, "metadata": {}, "backfill_id": null, "deliver": true}');
INSERT INTO "job_requests" VALUES('job_01M32514RGBBM9XZAPEPTNFK1V','{"site_id": "s", "asset_id": "running", "source": {"kind": "url", "location": "https://cms.example/running.jpg", "root": "", "sha256": ""}, "lane": "upload", "asset_revision": "1", "event_id": null, "profile": "general", "locales": ["en"], "fields": ["alt_text", "caption", "tags"], "context": {"role": "unknown", "title": null, "caption": null, "contains_text": null}, "metadata": {}, "backfill_id": null, "deliver": true}');
CREATE TABLE job_results (
	job_id VARCHAR(40) NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	width INTEGER NOT NULL, 
	height INTEGER NOT NULL, 
	verdict JSON NOT NULL, 
	timings_ms JSON NOT NULL, 
	warnings JSON NOT NULL, checks JSON, 
	PRIMARY KEY (job_id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
INSERT INTO "job_results" VALUES('job_01M32514RGCMDSYP1GEAHAMT1B','abababababababababababababababababababababababababababababababab',8,6,'{"action": "publish", "reasons": []}','{"model": 88}','[]','null');
INSERT INTO "job_results" VALUES('job_01M32514RGC1N3VMPQJSYN0K2W','abababababababababababababababababababababababababababababababab',8,6,'{"action": "publish", "reasons": []}','{"model": 88}','[]','null');
INSERT INTO "job_results" VALUES('job_01M32514RGAZZQ305RJHBYDB9Z','abababababababababababababababababababababababababababababababab',8,6,'{"action": "publish", "reasons": []}','{"model": 88}','[]','null');
CREATE TABLE jobs (
	id VARCHAR(40) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	profile VARCHAR(63) NOT NULL, 
	identity BLOB NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	lane VARCHAR(8) NOT NULL, 
	due_ms BIGINT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	crashes INTEGER NOT NULL, 
	solo_crashes INTEGER NOT NULL, 
	token VARCHAR(32), 
	worker_id VARCHAR(64), 
	claimed_ms BIGINT, 
	deadline_ms BIGINT, 
	hinted_ms BIGINT, 
	backfill_id VARCHAR(40), 
	delivery_id VARCHAR(40), 
	delivers BOOLEAN NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (identity)
);
INSERT INTO "jobs" VALUES('job_01M32514RGCMDSYP1GEAHAMT1B','s','delivered','general',X'DA7B129A385467E48AE008B025A1826D1E07E4EDDCD05FD38FCA1E81517E9D72','done','upload',1790000010000,1790000010000,1790000010000,0,0,0,'8205a4a80496538b02cf86bdaaca01cd',NULL,1790000010000,NULL,NULL,NULL,'dlv_01M32514RGBXG8DZFFTBFKBBHR',1);
INSERT INTO "jobs" VALUES('job_01M32514RGC1N3VMPQJSYN0K2W','s','retried','general',X'B9E20AFE0BD1ECBD942126F923BC75597BDB743D52E8E1F082BA3702719CCBB9','described','upload',1790000010000,1790000010000,1790000010000,0,0,0,'834e7bd235dee3069df4854ac12e8e8d',NULL,1790000010000,NULL,NULL,NULL,'dlv_01M32514RGEF17RMXXH7R7G6XQ',1);
INSERT INTO "jobs" VALUES('job_01M32514RGAZZQ305RJHBYDB9Z','s','described','general',X'8C6457796B87604B04379A1435CE753552FC705530BD96875E3F045696D0D5B5','described','upload',1790000010000,1790000010000,1790000010000,0,0,0,'55523d90ddb00f6cbd0393e2b37594f5',NULL,1790000010000,NULL,NULL,NULL,'dlv_01M32514RGJB4D0W5Z66WVAAM7',1);
INSERT INTO "jobs" VALUES('job_01M32514RGFPTPAFSD8E35AC80','s','accepted','general',X'C51121DAAA5A6AC5F025B873BCCC848A30292A4A6EA04D08723805B528670466','accepted','upload',1790000010000,1790000010000,1790000010000,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,1);
INSERT INTO "jobs" VALUES('job_01M32514RGYNRACYH50X64ZPKS','s','dead','general',X'08E011257015A2C67E6CA7187ED458117CC651C0D114D454F2E1C5098514D626','dead','upload',1790000010000,1790000010000,1790000010000,1,0,0,NULL,NULL,1790000010000,NULL,NULL,NULL,NULL,1);
INSERT INTO "jobs" VALUES('job_01M32514RGBBM9XZAPEPTNFK1V','s','running','general',X'61869133A99FEE50E716784789F4488EC5A7F3C2B85F8BC0B3A6FE0B9CF96B0E','running','upload',1790000010000,1790000010000,1790000010000,0,0,0,'94bcb5564245b83556c9e751983eec47','w',1790000010000,1790000130000,NULL,NULL,NULL,1);
CREATE TABLE operator_events (
	id VARCHAR(40) NOT NULL, 
	type VARCHAR(32) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	data JSON NOT NULL, 
	due_ms BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	told BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE prediction_cache (
	"key" VARCHAR(128) NOT NULL, 
	value BLOB NOT NULL, 
	at_ms BIGINT NOT NULL, 
	PRIMARY KEY ("key")
);
CREATE TABLE provenance (
	site_id VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	field VARCHAR(16) NOT NULL, 
	locale VARCHAR(35) NOT NULL, 
	hashes JSON NOT NULL, 
	tags JSON NOT NULL, not_ours JSON DEFAULT '[]' NOT NULL, 
	PRIMARY KEY (site_id, asset_id, field, locale)
);
INSERT INTO "provenance" VALUES('s','delivered','alt_text','en','["cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"]','[]','[]');
CREATE TABLE reviews (
	id VARCHAR(40) NOT NULL, 
	site_id VARCHAR(63) NOT NULL, 
	asset_id TEXT NOT NULL, 
	job_id VARCHAR(40) NOT NULL, 
	delivery_id VARCHAR(40) NOT NULL, 
	field VARCHAR(16) NOT NULL, 
	locale VARCHAR(35) NOT NULL, 
	reason TEXT NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	created_ms BIGINT NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(job_id) REFERENCES jobs (id) ON DELETE CASCADE
);
CREATE TABLE sites (
	id VARCHAR(63) NOT NULL, 
	body JSON NOT NULL, 
	writes_paused BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "sites" VALUES('s','{"name": "s", "profile": "general", "locales": ["en"], "vocabulary": null, "allowed_hosts": [], "hook_secrets": [], "fetch_auth": null}',0);
CREATE TABLE ticks (
	name VARCHAR(64) NOT NULL, 
	at_ms BIGINT NOT NULL, 
	count INTEGER NOT NULL, 
	PRIMARY KEY (name)
);
CREATE TABLE workers (
	id VARCHAR(64) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	lane VARCHAR(8), 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	started_ms BIGINT NOT NULL, 
	beat_ms BIGINT NOT NULL, 
	ended_ms BIGINT, 
	PRIMARY KEY (id)
);
INSERT INTO "workers" VALUES('w','tag','upload','here',1,1790000000000,1790000000000,NULL);
CREATE INDEX ix_attempts_at_ms ON attempts (at_ms);
CREATE INDEX ix_attempts_delivery_id ON attempts (delivery_id);
CREATE INDEX dead_letters_of_site ON dead_letters (site_id, id);
CREATE INDEX ix_dead_letters_at_ms ON dead_letters (at_ms);
CREATE INDEX jobs_backfill_open ON jobs (backfill_id) WHERE status = 'accepted' AND backfill_id IS NOT NULL;
CREATE INDEX jobs_claimable ON jobs (lane, due_ms, id) WHERE status = 'accepted';
CREATE INDEX jobs_deadline ON jobs (deadline_ms) WHERE status = 'running';
CREATE INDEX jobs_of_asset ON jobs (site_id, asset_id, id);
CREATE INDEX jobs_of_backfill ON jobs (backfill_id, id) WHERE backfill_id IS NOT NULL;
CREATE INDEX jobs_of_site ON jobs (site_id, id);
CREATE INDEX jobs_of_worker ON jobs (worker_id) WHERE status = 'running';
CREATE INDEX jobs_unusual ON jobs (status, id) WHERE status <> 'done';
CREATE INDEX ix_prediction_cache_at_ms ON prediction_cache (at_ms);
CREATE INDEX workers_alive ON workers (beat_ms) WHERE ended_ms IS NULL;
CREATE INDEX ix_api_keys_site_id ON api_keys (site_id);
CREATE UNIQUE INDEX deliveries_of_asset ON deliveries (site_id, asset_id, sequence);
CREATE INDEX deliveries_of_site ON deliveries (site_id, id);
CREATE INDEX deliveries_of_worker ON deliveries (worker_id) WHERE status = 'sending';
CREATE INDEX deliveries_parked ON deliveries (site_id, tries, id) WHERE status = 'parked';
CREATE INDEX deliveries_pending ON deliveries (site_id, due_ms, id) WHERE status = 'pending';
CREATE UNIQUE INDEX deliveries_sending ON deliveries (site_id, asset_id) WHERE status = 'sending';
CREATE INDEX deliveries_unusual ON deliveries (status, id) WHERE status <> 'delivered';
CREATE INDEX ix_deliveries_job_id ON deliveries (job_id);
CREATE INDEX ix_reviews_job_id ON reviews (job_id);
CREATE INDEX reviews_open ON reviews (site_id, id) WHERE status = 'open';
CREATE INDEX ix_operator_events_due_ms ON operator_events (due_ms);
CREATE INDEX ix_erased_jobs_at_ms ON erased_jobs (at_ms);
CREATE INDEX ix_workers_ended_ms ON workers (ended_ms);
CREATE INDEX ix_idempotency_at_ms ON idempotency (at_ms);
COMMIT;
