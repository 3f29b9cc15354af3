// Verifies the tokens of standard input, a JSON array, with the program of the page, which is beside this one, and the keys
// at the address that is the argument.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/MicahParks/keyfunc/v3"
)

func main() {
	keys, err := keyfunc.NewDefault([]string{os.Args[1]})
	if err != nil {
		panic(err)
	}
	var tokens []string
	if err := json.NewDecoder(os.Stdin).Decode(&tokens); err != nil {
		panic(err)
	}
	answers := []any{}
	for _, token := range tokens {
		claims, err := client(token, keys)
		if err != nil {
			answers = append(answers, nil)
		} else {
			answers = append(answers, fmt.Sprint(claims["sub"], " ", claims["auth_method"]))
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
