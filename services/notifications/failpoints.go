package notifications

import "troupe/platform/failpoint"

// Failpoints of the sender, in the order in which it reaches them.
var (
	mailsClaimed  = failpoint.New("notifications: mails claimed, none sent")
	mailAnnounced = failpoint.New("notifications: a mail's last byte announced, not sent")
	mailSent      = failpoint.New("notifications: mail handed over, not recorded")
	mailsWritten  = failpoint.New("notifications: mails written down, not committed")
	mailsRecorded = failpoint.New("notifications: mails recorded")
)
