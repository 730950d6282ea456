-- What an operator decides about the store, in one place: written by `wattline migrate`, read by views and policies.

CREATE TABLE store_setting (
    name   text PRIMARY KEY,
    value  text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE store_setting IS 'Settings of the store by name, as docs/STORE.md lists them; `wattline migrate` checks and applies them.';

-- Immutable, though a setting, so that it is asked once for a plan and not for each row. `wattline migrate` replaces the views
-- when the zone changes, which ends the plans that were made with the zone of before.
CREATE FUNCTION store_zone() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT value FROM store_setting WHERE name = 'zone'), 'UTC')
$$;
COMMENT ON FUNCTION store_zone IS 'The time zone whose midnights begin days and months.';

-- null: kept for ever
CREATE FUNCTION store_keep(what text) RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT (SELECT nullif(value, 'forever')::interval FROM store_setting WHERE name = 'keep_' || what)
$$;
COMMENT ON FUNCTION store_keep IS 'How long something is kept by the settings; null is for ever.';

GRANT SELECT ON store_setting TO wattline_ingestor, wattline_gateway, wattline_grafana;
