<?php

declare(strict_types=1);

namespace Bandog;

use Exception;

final class ConnectionLost extends Exception
{
}
