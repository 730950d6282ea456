SELECT count(*)::int FROM enrolment WHERE state = 'waiting'
