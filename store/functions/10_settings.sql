-- What the settings of the store say, to whoever asks.

-- Immutable, though a setting, so that it is asked once for a plan and not for each row. `wattline migrate` replaces the views
-- when the zone changes, which ends the plans that were made with the zone of before.
CREATE OR REPLACE FUNCTION store_zone() RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce((SELECT value FROM store_setting WHERE name = 'zone'), 'UTC')
$$;
COMMENT ON FUNCTION store_zone IS 'The time zone whose midnights begin days and months.';

-- null: kept for ever
CREATE OR REPLACE FUNCTION store_keep(what text) RETURNS interval LANGUAGE sql STABLE AS $$
    SELECT (SELECT nullif(value, 'forever')::interval FROM store_setting WHERE name = 'keep_' || what)
$$;
COMMENT ON FUNCTION store_keep IS 'How long something is kept by the settings; null is for ever.';

CREATE OR REPLACE FUNCTION store_max_power_kw() RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif((SELECT value::double precision FROM store_setting WHERE name = 'max_power_kw'), 0), 'Infinity')
$$;
COMMENT ON FUNCTION store_max_power_kw IS 'No meter takes or gives more, by the setting; infinite where no jumps are looked for.';

CREATE OR REPLACE FUNCTION store_profile_tolerance() RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT value::double precision FROM store_setting WHERE name = 'profile_tolerance_percent'), 5)
$$;
COMMENT ON FUNCTION store_profile_tolerance IS 'By how much of their energy, in percent, load profile and registers may differ; 0: they are not compared.';

CREATE OR REPLACE FUNCTION kept_since(kept text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT since FROM store_kept WHERE what = kept), '-infinity')
$$;
COMMENT ON FUNCTION kept_since IS 'From when on all readings, or all rollup_15m, that ever were are still there; -infinity: always.';
