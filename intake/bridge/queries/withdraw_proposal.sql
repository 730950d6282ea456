DELETE FROM source_proposal
WHERE broker = $1 AND key = $2 AND state = 'open'
