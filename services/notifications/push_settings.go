package notifications

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"os"
	"strings"

	"troupe/services/notifications/internal/push"
)

// preparePush reads what the settings of pushes name and makes their sender.
func (s *service) preparePush() error {
	if s.PushSubscriptions < 1 {
		return fmt.Errorf("NOTIFICATIONS_PUSH_SUBSCRIPTIONS is %d: it must be at least 1", s.PushSubscriptions)
	}
	if s.PushesPerHour < 0 {
		return fmt.Errorf("NOTIFICATIONS_PUSHES_PER_HOUR is %d: it must be 0, for any number, or more", s.PushesPerHour)
	}
	services, err := push.NewServices(s.PushServices, s.PushNetworks)
	if err != nil {
		return fmt.Errorf("NOTIFICATIONS_PUSH_SERVICES: %w", err)
	}
	contact := cmp.Or(s.PushContact, "mailto:"+s.from.Address)
	if err := push.CheckContact(contact); err != nil {
		return fmt.Errorf("NOTIFICATIONS_PUSH_CONTACT is %q: %w", contact, err)
	}
	if s.Production && strings.HasSuffix(contact, ".invalid") {
		s.Log.Warn("some push services refuse all pushes: set NOTIFICATIONS_PUSH_CONTACT to an address that exists", "contact", contact)
	}
	roots, err := authorities(s.PushCA)
	if err != nil {
		return fmt.Errorf("NOTIFICATIONS_PUSH_CA: %w", err)
	}
	s.pushServices = services
	s.pusher = push.NewSender(services, contact, roots, s.Now)
	return nil
}

// authorities returns those in a PEM file, nil without a file.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no certificate in the PEM format", file)
	}
	return roots, nil
}
