SELECT m.key, x.spec FROM meter m JOIN meter_spec x ON x.meter_id = m.id WHERE m.key = ANY($1::text[])
