SELECT EXISTS (SELECT FROM command WHERE state = 'sent' AND (id = $1 OR batch = $2))
