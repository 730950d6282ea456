SELECT count(*) FROM notice_channel
