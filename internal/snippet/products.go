package snippet

// products are the DHCP servers that people have, with what there is to do in each.
func products() []Snippet {
	return []Snippet{
		{ID: "dnsmasq", Title: "dnsmasq", When: "dnsmasq gives the addresses in this LAN (also in Pi-hole).",
			Steps: []string{
				"Put one of these into /etc/dnsmasq.d/bty.conf on the host of dnsmasq.",
				"Check it with dnsmasq --test, then restart dnsmasq: systemctl restart dnsmasq.",
				"Pi-hole 6 reads that folder only with misc.etc_dnsmasq_d switched on (Settings, All settings, Miscellaneous).",
			},
			Texts: []Text{
				{ID: "dnsmasq", Title: "One bootfile, for UEFI"},
				{ID: "dnsmasq-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
		{ID: "dnsmasq-proxy", Title: "dnsmasq as proxyDHCP", When: "The LAN's DHCP server cannot be changed. dnsmasq adds the boot options beside it and gives no addresses.",
			Steps: []string{
				"Install dnsmasq on a host of the machines' LAN that runs no DHCP server; the appliance's own host will do.",
				"Put one of these into /etc/dnsmasq.d/bty.conf and restart dnsmasq: systemctl restart dnsmasq.",
				"The LAN's own DHCP server must send no bootfile and no option 60 for these machines: some firmware takes the first that it sees.",
			},
			Texts: []Text{
				{ID: "dnsmasq-proxy", Title: "One bootfile, for UEFI"},
				{ID: "dnsmasq-proxy-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
		{ID: "kea", Title: "Kea", When: "ISC's Kea gives the addresses (kea-dhcp4), by itself or inside a firewall.",
			Steps: []string{
				"Add one of these to the object \"Dhcp4\" of /etc/kea/kea-dhcp4.conf, with a comma to what stands beside it.",
				"Check it with kea-dhcp4 -t /etc/kea/kea-dhcp4.conf, then reload: systemctl reload kea-dhcp4-server.",
			},
			Texts: []Text{
				{ID: "kea", Title: "One bootfile, for UEFI"},
				{ID: "kea-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
		{ID: "isc-dhcpd", Title: "ISC dhcpd", When: "The older dhcpd gives the addresses.",
			Steps: []string{
				"Add one of these to /etc/dhcp/dhcpd.conf, outside of every subnet.",
				"Check it with dhcpd -t, then restart: systemctl restart isc-dhcp-server.",
			},
			Texts: []Text{
				{ID: "isc-dhcpd", Title: "One bootfile, for UEFI"},
				{ID: "isc-dhcpd-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
		{ID: "openwrt", Title: "OpenWrt", When: "An OpenWrt router gives the addresses (its DHCP server is dnsmasq).",
			Steps: []string{
				"Sign in to the router with ssh and run one of these.",
				"LuCI shows the result under Network, DHCP and DNS, PXE/TFTP. Leave its own TFTP server off.",
			},
			Texts: []Text{
				{ID: "openwrt", Title: "One bootfile, for UEFI"},
				{ID: "openwrt-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
		{ID: "opnsense", Title: "OPNsense", When: "An OPNsense firewall gives the addresses. pfSense has the same fields.",
			Steps: []string{
				"With ISC DHCPv4: Services, ISC DHCPv4, the LAN, Network booting. Fill in the fields of the first list.",
				"With Kea: Services, Kea DHCP, Kea DHCPv4, Subnets, the LAN. Fill in the fields of the second list.",
				"With Dnsmasq: Services, Dnsmasq DNS & DHCP, DHCP boot. Fill in the fields of the third list.",
				"Save and apply.",
			},
			Texts: []Text{
				{ID: "opnsense-isc", Title: "ISC DHCPv4: fields"},
				{ID: "opnsense-kea", Title: "Kea DHCPv4: fields"},
				{ID: "opnsense-dnsmasq", Title: "Dnsmasq: fields"},
			}},
		{ID: "unifi", Title: "UniFi", When: "A UniFi gateway gives the addresses. It can set one bootfile, which is enough.",
			Steps: []string{
				"Settings, Networks, the machines' network, DHCP: Show Options (Advanced in older versions).",
				"Switch Network Boot on and fill in the two fields. Leave TFTP Server (option 66) empty: Network Boot sets it.",
				"Apply, and wait until the gateway has been provisioned.",
			},
			Texts: []Text{
				{ID: "unifi", Title: "Fields, for UEFI"},
				{ID: "unifi-bios", Title: "Fields, where all machines are BIOS"},
			}},
		{ID: "mikrotik", Title: "MikroTik RouterOS", When: "A RouterOS router gives the addresses.",
			Steps: []string{
				"Open a terminal of the router and run one of these.",
				"The second one needs RouterOS 7.4 or newer. Replace dhcp1 and pool1 by the names that /ip dhcp-server print shows.",
			},
			Texts: []Text{
				{ID: "mikrotik", Title: "One bootfile, for UEFI"},
				{ID: "mikrotik-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
		{ID: "windows", Title: "Windows DHCP", When: "A Windows server gives the addresses.",
			Steps: []string{
				"Open PowerShell as an administrator on the DHCP server and run one of these.",
				"The scope is that of the machines' LAN; Get-DhcpServerv4Scope lists the scopes.",
				"With WDS on the same server: remove its option 60 from the scope, or machines ask WDS instead.",
			},
			Texts: []Text{
				{ID: "windows", Title: "One bootfile, for UEFI"},
				{ID: "windows-arch", Title: "Every kind of firmware, with UEFI HTTP Boot"},
			}},
	}
}
