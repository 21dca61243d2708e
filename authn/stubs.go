package authn

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/authn/acr"
)

var errUnfinished = errors.New("login engine: not finished")

func (e *Engine) Begin(v Visitor, n NewTxn) (Txn, error) { return Txn{}, errUnfinished }
func (e *Engine) Keep(ctx context.Context, t Txn) error  { return errUnfinished }
func (e *Engine) Load(ctx context.Context, v Visitor, id string) (Txn, error) {
	return Txn{}, errUnfinished
}
func (e *Engine) Next(ctx context.Context, v Visitor, t Txn) (Step, Grants, error) {
	return nil, Grants{}, errUnfinished
}
func (e *Engine) Account(ctx context.Context, v Visitor, t Txn, sessionID string) (Grants, error) {
	return Grants{}, errUnfinished
}
func (e *Engine) Another(ctx context.Context, v Visitor, t Txn) error { return errUnfinished }
func (e *Engine) Login(ctx context.Context, v Visitor, t Txn, login, password string) (Grants, error) {
	return Grants{}, errUnfinished
}
func (e *Engine) Choose(ctx context.Context, v Visitor, t Txn, login string, f acr.Factor, credential string) error {
	return errUnfinished
}
func (e *Engine) Send(ctx context.Context, v Visitor, t Txn) error { return errUnfinished }
func (e *Engine) Code(ctx context.Context, v Visitor, t Txn, code string) (Grants, error) {
	return Grants{}, errUnfinished
}
func (e *Engine) NewPassword(ctx context.Context, v Visitor, t Txn, password string) (Grants, error) {
	return Grants{}, errUnfinished
}
func (e *Engine) Verify(ctx context.Context, v Visitor, t Txn, acrName string) error {
	return errUnfinished
}
func (e *Engine) Skip(ctx context.Context, v Visitor, t Txn) error { return errUnfinished }
func (e *Engine) Issue(ctx context.Context, v Visitor, t Txn, fn func(ctx context.Context, r Ready) error) error {
	return errUnfinished
}
func (e *Engine) Accounts(ctx context.Context, v Visitor) ([]Account, error) {
	return nil, errUnfinished
}
func (e *Engine) Logout(ctx context.Context, v Visitor, sessionID string) (Grants, error) {
	return Grants{}, errUnfinished
}
func (e *Engine) Enrolments(ctx context.Context, u User) ([]acr.Enrolment, []Choice, error) {
	return nil, nil, errUnfinished
}
