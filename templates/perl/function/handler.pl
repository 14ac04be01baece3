use strict;
use warnings;

# Returns the answer's body, as bytes.
sub handle {
    my ($body, $context) = @_;

    return "Hello, $body!\n";
}

1;
