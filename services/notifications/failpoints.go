package notifications

import "troupe/platform/failpoint"

// Failpoints of the senders, in the order in which they reach them.
var (
	mailsClaimed  = failpoint.New("notifications: mails claimed, none sent")
	mailAnnounced = failpoint.New("notifications: a mail's last byte announced, not sent")
	mailSent      = failpoint.New("notifications: mail handed over, not recorded")
	mailsWritten  = failpoint.New("notifications: mails written down, not committed")
	mailsRecorded = failpoint.New("notifications: mails recorded")

	pushesClaimed = failpoint.New("notifications: pushes claimed, none sent")
	pushesSent    = failpoint.New("notifications: pushes sent, not recorded")
	pushesWritten = failpoint.New("notifications: pushes written down, not committed")
)
