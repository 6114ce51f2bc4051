package store

import (
	"crypto/rand"
	"encoding/binary"
	"sync/atomic"

	"bty/internal/rule"
)

// Beside the rules by ID, the bucket has what applies where no rule does, and a mark that is
// another one after each change.
var (
	keyRulesDefault = []byte("default")
	keyRulesMark    = []byte("mark")
)

// ruleSet is the rules as one transaction read them, good for every transaction with that mark.
type ruleSet struct {
	mark string
	set  *rule.Set
}

// Rules returns all rules, in order and ready to be asked. They stay decoded: a contact reads the
// mark only.
func (t *Tx) Rules() (*rule.Set, error) {
	if t.rules != nil {
		return t.rules, nil
	}
	set, err := t.readRules()
	if !t.tx.Writable() {
		t.rules = set
	}
	return set, err
}

func (t *Tx) readRules() (*rule.Set, error) {
	mark := string(t.tx.Bucket(bucketRules).Get(keyRulesMark))
	if known := t.store.rules.Load(); known != nil && known.mark == mark {
		return known.set, nil
	}
	var rules []rule.Rule
	var def rule.Assignment
	err := t.tx.Bucket(bucketRules).ForEach(func(key, raw []byte) error {
		if string(key) == string(keyRulesDefault) {
			return decode(bucketRules, key, raw, &def)
		}
		if len(key) != 8 {
			return nil
		}
		var r rule.Rule
		err := decode(bucketRules, key, raw, &r)
		rules = append(rules, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	set := rule.NewSet(rules, def)
	t.store.rules.Store(&ruleSet{mark, set})
	return set, nil
}

// NewRuleID returns an ID that no rule has, or ever had.
func (t *Tx) NewRuleID() (rule.ID, error) {
	t.wrote = true
	id, err := t.tx.Bucket(bucketRules).NextSequence()
	return rule.ID(id), err
}

// PutRule stores r in place of the rule with its ID.
func (t *Tx) PutRule(r rule.Rule) error {
	if err := t.put(bucketRules, ruleKey(r.ID), r); err != nil {
		return err
	}
	return t.markRules()
}

// DeleteRule removes a rule.
func (t *Tx) DeleteRule(id rule.ID) error {
	if err := t.delete(bucketRules, ruleKey(id)); err != nil {
		return err
	}
	return t.markRules()
}

// PutDefault stores what applies where no rule does.
func (t *Tx) PutDefault(a rule.Assignment) error {
	if err := t.put(bucketRules, keyRulesDefault, a); err != nil {
		return err
	}
	return t.markRules()
}

// markRules makes the rules others than any that were decoded before, also than those of a
// transaction that is rolled back.
func (t *Tx) markRules() error { return t.put(bucketRules, keyRulesMark, rand.Text()) }

func ruleKey(id rule.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// rulesCache is the newest set that was decoded.
type rulesCache = atomic.Pointer[ruleSet]
