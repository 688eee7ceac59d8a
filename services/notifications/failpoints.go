package notifications

import "troupe/platform/failpoint"

// Fail points, in the order in which the code reaches them.
var (
	mailsClaimed  = failpoint.New("notifications: mails claimed, none sent")
	mailAnnounced = failpoint.New("notifications: a mail's last byte announced, not sent")
	mailSent      = failpoint.New("notifications: mail handed over, not recorded")
	mailsNoted    = failpoint.New("notifications: mails written down, not committed")
	mailsRecorded = failpoint.New("notifications: mails recorded")
)
