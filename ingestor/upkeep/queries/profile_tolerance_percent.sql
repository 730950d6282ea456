SELECT store_profile_tolerance()
