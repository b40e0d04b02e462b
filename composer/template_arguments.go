// SPDX-License-Identifier: Apache-2.0

package composer

import "text/template/parse"

// checkArguments counts the arguments of every call in a template, also in a
// branch that no run may take. It sees the tree before instrument changes it.
func checkArguments(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	a := argumentCheck{table: functionTable()}
	a.list(list)
	if a.wrong == nil {
		return nil
	}
	return a.wrong
}

// argumentCheck keeps the first mistake that it meets.
type argumentCheck struct {
	table map[string]function
	wrong *mistake
}

func (a *argumentCheck) list(list *parse.ListNode) {
	if list == nil {
		return
	}
	for _, n := range list.Nodes {
		switch t := n.(type) {
		case *parse.ActionNode:
			a.pipe(t.Pipe)
		case *parse.IfNode:
			a.branch(&t.BranchNode)
		case *parse.WithNode:
			a.branch(&t.BranchNode)
		case *parse.RangeNode:
			a.branch(&t.BranchNode)
		}
	}
}

func (a *argumentCheck) branch(b *parse.BranchNode) {
	a.pipe(b.Pipe)
	a.list(b.List)
	a.list(b.ElseList)
}

func (a *argumentCheck) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for i, command := range p.Cmds {
		piped := min(i, 1) // the value of the command before
		for j, argument := range command.Args {
			n := 0
			if j == 0 {
				n = len(command.Args) - 1 + piped
			}
			a.argument(argument, n)
		}
	}
}

// argument looks at a word of a command; n is how many follow it.
func (a *argumentCheck) argument(word parse.Node, n int) {
	switch t := word.(type) {
	case *parse.IdentifierNode:
		a.count(t.Ident, n)
	case *parse.PipeNode:
		a.pipe(t)
	case *parse.ChainNode:
		a.argument(t.Node, 0)
	}
}

func (a *argumentCheck) count(name string, n int) {
	f, ok := a.table[name]
	switch {
	case a.wrong != nil:
	case name == "output" && n != externalArguments:
		a.wrong = wrongExternal(n)
	case ok && (n < f.least || f.most >= 0 && n > f.most):
		a.wrong = f.wrongCount(name, n)
	}
}
