"""The schema of content.db, step by step; each step runs once, in order, in one transaction with its number."""

from __future__ import annotations

from publisher.content import names, spellings
from publisher.content.database import Database
from publisher.errors import DamagedError, StoreError

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE editors (
        id TEXT PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, slug TEXT NOT NULL, role TEXT NOT NULL,
        password_hash TEXT NOT NULL, disabled INTEGER NOT NULL DEFAULT 0, version INTEGER NOT NULL,
        created_at TEXT NOT NULL
    ) STRICT;

    CREATE TABLE products (
        id TEXT PRIMARY KEY, slug TEXT NOT NULL, kind TEXT NOT NULL, brand TEXT NOT NULL, brand_slug TEXT NOT NULL,
        model TEXT NOT NULL, aliases TEXT NOT NULL, spec TEXT NOT NULL, source TEXT NOT NULL, version INTEGER NOT NULL,
        ordinal INTEGER NOT NULL UNIQUE, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX products_by_brand ON products (brand_slug, kind, ordinal);

    -- Every normal form of every product's names; the first product to take a form keeps it.
    CREATE TABLE product_names (
        kind TEXT NOT NULL, name TEXT NOT NULL, product_id TEXT NOT NULL REFERENCES products (id),
        PRIMARY KEY (kind, name)
    ) STRICT, WITHOUT ROWID;

    -- Every brand a product was ever listed under, so that a moved product also leaves its old brand's page.
    CREATE TABLE product_brands (
        product_id TEXT NOT NULL REFERENCES products (id), brand_slug TEXT NOT NULL,
        PRIMARY KEY (product_id, brand_slug)
    ) STRICT, WITHOUT ROWID;

    -- Bodies by the digest of their Markdown: a change of title or state does not copy the text.
    CREATE TABLE texts (
        digest TEXT PRIMARY KEY, markdown TEXT NOT NULL, html TEXT NOT NULL, plain TEXT NOT NULL
    ) STRICT;

    CREATE TABLE reviews (
        id TEXT PRIMARY KEY, version INTEGER NOT NULL, state TEXT NOT NULL, slug TEXT NOT NULL, title TEXT NOT NULL,
        summary TEXT NOT NULL, excerpt TEXT NOT NULL, lang TEXT NOT NULL,
        product_id TEXT REFERENCES products (id), editor_id TEXT NOT NULL REFERENCES editors (id),
        tags TEXT NOT NULL, tag_slugs TEXT NOT NULL, rating REAL, pros TEXT NOT NULL, cons TEXT NOT NULL,
        byline TEXT NOT NULL, origin TEXT NOT NULL, text_digest TEXT NOT NULL REFERENCES texts (digest),
        created_at TEXT NOT NULL, updated_at TEXT NOT NULL, published_at TEXT, publish_at TEXT
    ) STRICT;
    CREATE INDEX reviews_by_product ON reviews (product_id);
    CREATE INDEX reviews_by_editor ON reviews (editor_id, id);
    CREATE INDEX reviews_due ON reviews (publish_at) WHERE state = 'scheduled';
    CREATE UNIQUE INDEX reviews_by_origin ON reviews (origin) WHERE origin != '';

    CREATE TABLE revisions (
        review_id TEXT NOT NULL REFERENCES reviews (id), version INTEGER NOT NULL, at TEXT NOT NULL,
        actor TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL,
        PRIMARY KEY (review_id, version)
    ) STRICT, WITHOUT ROWID;

    -- Every address part ever given, so that an old one can lead to the new one and is never given twice.
    CREATE TABLE slugs (
        kind TEXT NOT NULL, slug TEXT NOT NULL, entity_id TEXT NOT NULL, PRIMARY KEY (kind, slug)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX slugs_by_entity ON slugs (kind, entity_id);

    -- A listing (all, brand:…, product:…, tag:…, editor:…) gives each review an ordinal once and never takes it back.
    CREATE TABLE listings (
        name TEXT PRIMARY KEY, title TEXT NOT NULL, given INTEGER NOT NULL, live INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE places (
        listing TEXT NOT NULL, ordinal INTEGER NOT NULL, review_id TEXT NOT NULL REFERENCES reviews (id),
        live INTEGER NOT NULL, PRIMARY KEY (listing, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX places_by_review ON places (review_id, listing);
    CREATE INDEX places_live ON places (listing, ordinal) WHERE live = 1;

    CREATE TABLE changes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, actor TEXT NOT NULL, request_id TEXT NOT NULL,
        entity TEXT NOT NULL, entity_id TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL,
        digest TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL
    ) STRICT;
    CREATE TRIGGER changes_are_final BEFORE UPDATE ON changes
        BEGIN SELECT raise(ABORT, 'the change log is append-only'); END;
    CREATE TRIGGER changes_are_kept BEFORE DELETE ON changes
        BEGIN SELECT raise(ABORT, 'the change log is append-only'); END;

    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO facts VALUES ('content_version', '0');
    """,
    """
    -- What was answered to requests with an idempotency key, so that a repeated one is not done again.
    CREATE TABLE replies (
        editor_id TEXT NOT NULL, key TEXT NOT NULL, call TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL,
        status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (editor_id, key, call)
    ) STRICT;
    CREATE INDEX replies_by_time ON replies (at);
    CREATE INDEX reviews_by_state ON reviews (state, id);
    """,
    """
    -- One row for each sign-in; serial numbers of refresh tokens only as digests.
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY, editor_id TEXT NOT NULL REFERENCES editors (id), current TEXT NOT NULL,
        previous TEXT NOT NULL DEFAULT '', rotated_at TEXT NOT NULL, created_at TEXT NOT NULL, used_at TEXT NOT NULL,
        expires_at TEXT NOT NULL, revoked_at TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sessions_by_editor ON sessions (editor_id);
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);
    """,
    """
    -- Every normal form of every name of a product, and how well it names it (spellings.Rank); `respell` fills it in.
    CREATE TABLE product_spellings (
        kind TEXT NOT NULL, name TEXT NOT NULL, product_id TEXT NOT NULL REFERENCES products (id),
        rank INTEGER NOT NULL, PRIMARY KEY (kind, name, product_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX spellings_by_product ON product_spellings (product_id);
    INSERT INTO product_spellings SELECT kind, name, product_id, 2 FROM product_names;
    DROP TABLE product_names;
    """,
    """
    -- Products have a history as reviews have; what is there begins it. A year becomes a date of any precision.
    ALTER TABLE products ADD COLUMN sources TEXT NOT NULL DEFAULT '{}';
    ALTER TABLE products ADD COLUMN merged_into TEXT REFERENCES products (id);
    CREATE TABLE product_revisions (
        product_id TEXT NOT NULL REFERENCES products (id), version INTEGER NOT NULL, at TEXT NOT NULL,
        actor TEXT NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (product_id, version)
    ) STRICT, WITHOUT ROWID;
    UPDATE products
        SET spec = json_remove(json_set(spec, '$.released', CAST(json_extract(spec, '$.year') AS TEXT)), '$.year')
        WHERE json_extract(spec, '$.year') IS NOT NULL;
    INSERT INTO product_revisions
        SELECT p.id, p.version, p.updated_at, coalesce(c.actor, 'system'), coalesce(c.kind, 'updated'), json_object(
            'id', p.id, 'slug', p.slug, 'brand', p.brand, 'brand_slug', p.brand_slug, 'model', p.model,
            'aliases', json(p.aliases), 'spec', json(p.spec), 'source', p.source, 'version', p.version,
            'ordinal', p.ordinal, 'created_at', p.created_at, 'updated_at', p.updated_at)
        FROM products p
        LEFT JOIN changes c ON c.entity = 'product' AND c.entity_id = p.id AND c.version = p.version;
    """,
    """
    -- Who did what, and what became of an entity: a row's own number, `seq`, stands at the end of each.
    CREATE INDEX changes_by_entity ON changes (entity_id);
    CREATE INDEX changes_by_actor ON changes (actor);
    -- Products have had versions that their rows testify since this row of the log.
    INSERT INTO facts SELECT 'products_testified_after', CAST(coalesce(max(seq), 0) AS TEXT) FROM changes;
    """,
    """
    -- What readers were shown: the changes that they can see, numbered from 1, and the entities that each of them
    -- touched. `log_weight` grows by what each change brings (in bytes, the last word of an entity in a block of 1,024
    -- counts), `weight` is that of all that is public, `due` the log_weight after which a new snapshot is due.
    CREATE TABLE published (
        number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, log_weight INTEGER NOT NULL, weight INTEGER NOT NULL,
        due INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE effects (
        number INTEGER NOT NULL, entity TEXT NOT NULL, entity_id TEXT NOT NULL, version INTEGER NOT NULL,
        weight INTEGER NOT NULL, data TEXT, PRIMARY KEY (number, entity, entity_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX effects_by_entity ON effects (entity, entity_id, number);
    CREATE TABLE snapshots (
        number INTEGER PRIMARY KEY, reviews INTEGER NOT NULL, products INTEGER NOT NULL
    ) STRICT;
    INSERT INTO facts VALUES ('epoch', '0'), ('renewed_at', '');
    DELETE FROM facts WHERE name = 'content_version';

    -- The past of a database that is older than these tables. Where of products and editors only the present is known,
    -- it stands for their past; the first snapshot is taken at the next change.
    CREATE TEMP TABLE past AS
        SELECT c.seq, c.entity, c.entity_id, c.version,
            iif(json_extract(r.data, '$.state') = 'published',
                1000 + octet_length(t.markdown) + octet_length(t.html) + octet_length(t.plain), 0) AS weight,
            NULL AS data
        FROM changes c
        JOIN revisions r ON r.review_id = c.entity_id AND r.version = c.version
        JOIN texts t ON t.digest = json_extract(r.data, '$.text_digest')
        LEFT JOIN revisions b ON b.review_id = c.entity_id AND b.version = c.version - 1
        WHERE c.entity = 'review'
            AND (json_extract(r.data, '$.state') = 'published' OR json_extract(b.data, '$.state') = 'published');
    INSERT INTO past
        SELECT seq, 'product', entity_id, version, iif(kind = 'merged', 0, 1000), NULL
        FROM changes WHERE entity = 'product';
    INSERT INTO past
        SELECT min(c.seq), 'editor', e.id, e.version, 100, json_object('id', e.id, 'slug', e.slug, 'name', e.name)
        FROM past q JOIN changes c ON c.seq = q.seq AND q.entity = 'review' AND q.weight > 0
        JOIN reviews r ON r.id = q.entity_id JOIN editors e ON e.id = r.editor_id GROUP BY e.id;
    INSERT INTO past
        SELECT c.seq, 'editor', e.entity_id, e.version, 100, e.data FROM changes c
        JOIN past e ON e.entity = 'editor' AND e.entity_id = c.entity_id AND e.seq < c.seq
        WHERE c.entity = 'editor' AND c.kind = 'renamed';
    INSERT INTO published
        SELECT row_number() OVER (ORDER BY seq), seq, 0, 0, 0 FROM (SELECT DISTINCT seq FROM past);
    INSERT INTO effects
        SELECT p.number, q.entity, q.entity_id, q.version, q.weight, q.data
        FROM past q JOIN published p ON p.seq = q.seq;
    CREATE TEMP TABLE sums AS
        SELECT number, sum(brought) OVER (ORDER BY number) AS log_weight, sum(grown) OVER (ORDER BY number) AS weight
        FROM (
            SELECT number, sum(weight - was) AS grown, sum(max(weight, 80)
                - iif((was_number - 1) / 1024 = (number - 1) / 1024, max(was, 80), 0)) AS brought
            FROM (
                SELECT number, weight, coalesce(lag(weight) OVER one, 0) AS was,
                    coalesce(lag(number) OVER one, -1024) AS was_number
                FROM effects WINDOW one AS (PARTITION BY entity, entity_id ORDER BY number)
            ) GROUP BY number
        );
    UPDATE published SET (log_weight, weight) = (
        SELECT s.log_weight, s.weight FROM sums s WHERE s.number = published.number
    );
    DROP TABLE past;
    DROP TABLE sums;
    """,
    """
    -- Who is told of publishes, what there was to tell, and how far each telling has come.
    CREATE TABLE webhooks (
        id TEXT PRIMARY KEY, url TEXT NOT NULL, events TEXT NOT NULL, description TEXT NOT NULL,
        enabled INTEGER NOT NULL, reason TEXT NOT NULL, failing_since TEXT, failures INTEGER NOT NULL, quiet_until TEXT,
        secret TEXT NOT NULL, previous_secret TEXT NOT NULL, previous_until TEXT, enabled_at TEXT NOT NULL,
        version INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE webhook_events (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL, body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX webhook_events_by_time ON webhook_events (at);
    CREATE TABLE webhook_deliveries (
        number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, webhook_id TEXT NOT NULL REFERENCES webhooks (id),
        event_id TEXT NOT NULL REFERENCES webhook_events (id), state TEXT NOT NULL, attempts INTEGER NOT NULL,
        next_at TEXT, last_at TEXT, status INTEGER, reason TEXT NOT NULL, ms INTEGER, created_at TEXT NOT NULL,
        replay_of TEXT
    ) STRICT;
    CREATE INDEX webhook_deliveries_of ON webhook_deliveries (webhook_id, number);
    CREATE INDEX webhook_deliveries_by_event ON webhook_deliveries (event_id);
    CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_at) WHERE state = 'waiting';
    """,
    """
    -- Public places of a listing lie together, as they are read: the index that found them is needed no more.
    CREATE TABLE places_by_life (
        listing TEXT NOT NULL, ordinal INTEGER NOT NULL, review_id TEXT NOT NULL REFERENCES reviews (id),
        live INTEGER NOT NULL, PRIMARY KEY (listing, live, ordinal)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO places_by_life (listing, ordinal, review_id, live)
        SELECT listing, ordinal, review_id, live FROM places ORDER BY listing, live, ordinal;
    DROP TABLE places;
    ALTER TABLE places_by_life RENAME TO places;
    CREATE UNIQUE INDEX places_by_review ON places (review_id, listing);
    """,
    """
    -- When readers last saw a change of any of 250 reviews or products (by ordinal): the index of sitemaps says it.
    CREATE TABLE shards (
        entity TEXT NOT NULL, shard INTEGER NOT NULL, changed_at TEXT NOT NULL, PRIMARY KEY (entity, shard)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO shards
        SELECT 'review', q.ordinal / 250, max(c.at) FROM effects e
            JOIN published p ON p.number = e.number JOIN changes c ON c.seq = p.seq
            JOIN places q ON q.review_id = e.entity_id AND q.listing = 'all'
        WHERE e.entity = 'review' GROUP BY q.ordinal / 250;
    INSERT INTO shards
        SELECT 'product', o.ordinal / 250, max(c.at) FROM effects e
            JOIN published p ON p.number = e.number JOIN changes c ON c.seq = p.seq
            JOIN products o ON o.id = e.entity_id
        WHERE e.entity = 'product' GROUP BY o.ordinal / 250;
    """,
    """
    -- Products that were made by naming them in reviews which nobody may read yet: they are in nothing public.
    CREATE TABLE withheld (product_id TEXT PRIMARY KEY REFERENCES products (id)) STRICT, WITHOUT ROWID;
    """,
)


TABLES = frozenset(
    """
    changes editors effects facts listings places product_brands product_revisions product_spellings products published
    replies reviews revisions sessions shards slugs snapshots texts webhook_deliveries webhook_events webhooks
    withheld
    """.split()
)
"""Every table that there is after all steps."""


def lacking(db: Database) -> str:
    """Which tables are gone from a database of the newest schema, in words; empty when none is."""
    if db.conn.execute("PRAGMA user_version").fetchone()[0] != len(STEPS):
        return ""
    held = {name for (name,) in db.conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    gone = sorted(TABLES - held)
    return f"it has no table {', '.join(gone)}" if gone else ""


def migrate(db: Database) -> int:
    """Bring the schema up to date and return its number.

    Raises StoreError for a newer schema than this program knows, DamagedError when tables are gone.
    """
    connection = db.conn
    connection.execute("BEGIN IMMEDIATE")
    try:
        held = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if held > len(STEPS):
            raise StoreError(f"the database has schema {held}, this program knows {len(STEPS)}; upgrade the program")
        for number, step in enumerate(STEPS[held:], start=held + 1):
            for statement in _statements(step):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        if gone := lacking(db):
            raise DamagedError(f"the content database is damaged: {gone}")
        _respell(db)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return len(STEPS)


def _respell(db: Database) -> None:
    """Find products by this edition's forms of their names, when another edition wrote those that are there."""
    held = db.conn.execute("SELECT value FROM facts WHERE name = 'names_edition'").fetchone()
    if held is None or held[0] != names.EDITION:
        spellings.respell(db)
        db.conn.execute("INSERT OR REPLACE INTO facts VALUES ('names_edition', ?)", (names.EDITION,))


def _statements(script: str) -> list[str]:
    """The single statements of a script (executescript would commit the open transaction)."""
    from pysqlite3 import dbapi2 as sqlite3

    statements, current = [], ""
    for line in script.splitlines():
        current += line + "\n"
        if line.rstrip().endswith(";") and sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
