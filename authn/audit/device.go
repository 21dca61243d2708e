package audit

// Events about remembered browsers. Detail: credential, "device:" and the id.
const (
	DeviceRemembered Name = "device.remembered"
	// DeviceForgotten: one was taken off the list by the user or an administrator.
	// Those that end with a change of the password or a factor have no event of
	// their own.
	DeviceForgotten Name = "device.forgotten"
)
