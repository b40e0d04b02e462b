// SPDX-License-Identifier: Apache-2.0

package orchestrator

// Add sums two counts.
func (c Counts) Add(d Counts) Counts {
	return Counts{
		Create:  c.Create + d.Create,
		Update:  c.Update + d.Update,
		Replace: c.Replace + d.Replace,
		Delete:  c.Delete + d.Delete,
	}
}

// Total of all actions.
func (c Counts) Total() int { return c.Create + c.Update + c.Replace + c.Delete }

// CountChanges by action.
func CountChanges(changes []Change) Counts {
	var c Counts
	for _, change := range changes {
		switch change.Action {
		case ActionCreate:
			c.Create++
		case ActionUpdate:
			c.Update++
		case ActionReplace:
			c.Replace++
		case ActionDelete:
			c.Delete++
		}
	}
	return c
}
