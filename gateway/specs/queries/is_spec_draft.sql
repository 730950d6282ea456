SELECT EXISTS (SELECT FROM spec_draft WHERE name = $1 AND version = $2)
