// SPDX-License-Identifier: Apache-2.0

package composer

import (
	"fmt"
	"text/template/parse"
)

// instrument changes a parsed template so that every value it prints goes
// through funcEmit, every condition through funcTest, every loop's subject
// through funcItems and every turn of a loop through funcStep. That is how
// references stay typed, conditions on unknown values are refused and loops
// are bounded.
func instrument(list *parse.ListNode) error {
	if list == nil {
		return nil
	}
	for _, n := range list.Nodes {
		if err := instrumentNode(n); err != nil {
			return err
		}
	}
	return nil
}

func instrumentNode(n parse.Node) error {
	switch t := n.(type) {
	case *parse.TextNode, *parse.CommentNode, *parse.BreakNode, *parse.ContinueNode:
		return nil
	case *parse.ActionNode:
		if len(t.Pipe.Decl) == 0 {
			pass(t.Pipe, funcEmit)
		}
		return nil
	case *parse.IfNode:
		return instrumentBranch(&t.BranchNode, funcTest)
	case *parse.WithNode:
		return instrumentBranch(&t.BranchNode, funcTest)
	case *parse.RangeNode:
		if err := instrumentBranch(&t.BranchNode, funcItems); err != nil {
			return err
		}
		t.List.Nodes = append([]parse.Node{step(t.Position())}, t.List.Nodes...)
		return nil
	default:
		return failf("%s is not available here", fmt.Sprintf("%T", n))
	}
}

func instrumentBranch(b *parse.BranchNode, through string) error {
	pass(b.Pipe, through)
	if err := instrument(b.List); err != nil {
		return err
	}
	return instrument(b.ElseList)
}

// pass adds "| name" to a pipe.
func pass(p *parse.PipeNode, name string) {
	p.Cmds = append(p.Cmds, call(p.Position(), name))
}

func call(at parse.Pos, name string) *parse.CommandNode {
	return &parse.CommandNode{
		NodeType: parse.NodeCommand, Pos: at,
		Args: []parse.Node{parse.NewIdentifier(name).SetPos(at)},
	}
}

func step(at parse.Pos) parse.Node {
	return &parse.ActionNode{
		NodeType: parse.NodeAction, Pos: at,
		Pipe: &parse.PipeNode{NodeType: parse.NodePipe, Pos: at, Cmds: []*parse.CommandNode{call(at, funcStep)}},
	}
}
