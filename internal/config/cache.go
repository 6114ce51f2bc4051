package config

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Size reads a number of bytes as people write it: 1048576, 500M, 1.5T, 64GiB. The units are powers
// of 1024. "" is 0.
func Size(text string) (int64, error) {
	s := strings.ToUpper(strings.TrimSpace(text))
	if s == "" {
		return 0, nil
	}
	digits := strings.TrimRight(s, "KMGTPIB ")
	unit := strings.TrimSpace(s[len(digits):])
	power, known := units[strings.TrimSuffix(strings.TrimSuffix(unit, "B"), "I")]
	n, err := strconv.ParseFloat(digits, 64)
	n *= math.Pow(1024, float64(power))
	if err != nil || !known || !(n >= 0 && n < math.MaxInt64) || strings.Trim(digits, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no size; write a number with K, M, G or T, like 500G", text)
	}
	return int64(n), nil
}

var units = map[string]int{"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}

// size demands what Size reads.
func size(k Key, v string) error {
	if _, err := Size(v); err != nil {
		return fmt.Errorf("%s: %w", k, err)
	}
	return nil
}

// urlPrefixes demands beginnings of sources with commas between.
func urlPrefixes(k Key, v string) error {
	for _, one := range List(v) {
		u, err := url.Parse(one)
		known := err == nil && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "oras")
		if !known || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%s: %q is not how a source begins, like https://images.example/linux/ or oras://registry.example/group/", k, one)
		}
	}
	return nil
}

// networks demands what Networks reads.
func networks(k Key, v string) error {
	if _, err := Networks(v); err != nil {
		return fmt.Errorf("%s: %w", k, err)
	}
	return nil
}

// Networks reads addresses and networks with commas between.
func Networks(v string) (list []netip.Prefix, err error) {
	for _, one := range List(v) {
		prefix, err := netip.ParsePrefix(one)
		if addr, isAddr := netip.ParseAddr(one); err != nil && isAddr == nil {
			prefix, err = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%q is no network; write it like 10.0.0.0/8 or 10.1.2.3", one)
		}
		list = append(list, prefix.Masked())
	}
	return list, nil
}
