-- The bridge of foreign devices: it tells of sources that flood, and proposes sources of what it hears.

GRANT INSERT ON event TO wattline_intake;
