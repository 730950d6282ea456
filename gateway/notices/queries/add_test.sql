INSERT INTO notice_delivery (id, channel, event, title, text, tries_left) VALUES ($1, $2, $3, $4, $5, 1)
