SELECT device, meter, online, heard_at, silent_s, cadence_s
FROM meter_silence(make_interval(mins => ${silent_min:sqlstring}::integer))
WHERE meter IN (
{chosen_meters}
)
