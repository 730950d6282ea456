SELECT EXISTS (SELECT FROM profile_check WHERE noted_at < now() - interval '10 minutes')
