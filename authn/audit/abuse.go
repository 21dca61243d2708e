package audit

// Events about abuse of what costs money or annoys people.
const (
	// AbuseConversionAlarm: so few codes to a country come back that sending
	// there is paused. Detail: country, sent, verified, until.
	AbuseConversionAlarm Name = "abuse.conversion_alarm"
)
