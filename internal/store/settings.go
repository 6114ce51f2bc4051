package store

// Settings returns what the operator stored, by name.
func (t *Tx) Settings() (map[string]string, error) {
	stored := map[string]string{}
	err := t.tx.Bucket(bucketSettings).ForEach(func(key, raw []byte) error {
		var value string
		if err := decode(bucketSettings, key, raw, &value); err != nil {
			return err
		}
		stored[string(key)] = value
		return nil
	})
	return stored, err
}

// PutSetting stores a value in place of what was there.
func (t *Tx) PutSetting(name, value string) error { return t.put(bucketSettings, []byte(name), value) }

// DeleteSetting removes a value; one that is not there is none.
func (t *Tx) DeleteSetting(name string) error { return t.delete(bucketSettings, []byte(name)) }
