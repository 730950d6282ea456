DELETE FROM profile_day WHERE day < ((now() - store_keep('readings')) AT TIME ZONE 'UTC')::date
