-- Payloads by the turns of their sources, those that a newer mapping has not tried, and bodies that need be kept no longer.

CREATE INDEX payload_turn ON payload (source, id) WHERE state = 'waiting';
CREATE INDEX payload_untried ON payload (source, version, id)
    WHERE (state = 'unmapped' OR state = 'mapped' AND reason IS NOT NULL) AND body IS NOT NULL;
CREATE INDEX payload_body ON payload (mapped_at) WHERE state = 'mapped' AND reason IS NULL AND body IS NOT NULL;
COMMENT ON INDEX payload_untried IS 'What gave nothing, or not all, by the version that was tried last; 0 where there was none.';

GRANT UPDATE (manufacturer, product, serial, firmware, parent_id) ON meter TO wattline_ingestor;
