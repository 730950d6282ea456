-- Who may be given the key of a meter.

-- A meter goes to another device by that one's word and the first one's silence (52_ownership.sql): that is enough for its readings, and not
-- for its key, which would be a hostile device's for the asking. It follows by a person's word alone.
CREATE OR REPLACE FUNCTION meter_key_may(meter integer, device integer, set_for integer) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT device = set_for OR coalesce(
        (SELECT v.why = 'person' AND v.to_device_id = device FROM meter_move v WHERE v.meter_id = meter ORDER BY v.id DESC LIMIT 1),
        false)
$$;
COMMENT ON FUNCTION meter_key_may IS
    'Whether the device that has a meter now may have its key: the key was set while it stood there, or a person moved it there.';
REVOKE EXECUTE ON FUNCTION meter_key_may FROM PUBLIC;
GRANT EXECUTE ON FUNCTION meter_key_may TO wattline_gateway;
